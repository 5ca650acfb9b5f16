// Starts with every session of a client, so it imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.
import { once } from "node:events"
import type { IncomingMessage } from "node:http"
import type { Readable, Writable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import {
  claimedVersion,
  headersOf,
  type LegacySession,
  memberOf,
  type ProxyMessage,
  sessionHeaders
} from "./edge/ProxyHeaders.ts"
import { eventsOf, linesOf, makeProxyHttp, type ProxyTarget, textOf } from "./edge/ProxyHttp.ts"
import { ProxyParams } from "./edge/ProxyParams.ts"

/** Requests on their way at once, beside those to listen; more wait. */
const requestsAtOnce = 32

/** Messages that may wait or be on their way; a client that sends more is disconnected. */
const backlog = 1000

/** How often a stream that breaks off is taken up again without having brought anything, and milliseconds before. */
const resumptions = 10
const resumeDelay = 1000
const longestDelay = 30_000

/** Milliseconds that the instance has to end the session when the client has gone. */
const endTimeout = 2000

const parseError = -32700
const invalidRequest = -32600
const internalError = -32603

export interface ProxyStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  /** For people: standard output belongs to the protocol. */
  readonly log: (line: string) => void
}

/** What JSON.parse gives is looked at member by member. */
const parse = (text: string): ProxyMessage | undefined => {
  const json: unknown = JSON.parse(text)
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : undefined
}

/** A number of permits, given in the order in which they were asked for. */
class Permits {
  #free = requestsAtOnce
  readonly #waiting: Array<() => void> = []

  async take() {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  give() {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

class StdioProxy {
  readonly #target: ProxyTarget
  readonly #streams: ProxyStreams
  readonly #http: Awaited<ReturnType<typeof makeProxyHttp>>
  readonly #ended = new AbortController()
  readonly #running = new Map<unknown, AbortController>()
  readonly #permits = new Permits()
  readonly #params = new ProxyParams()
  #session: LegacySession = {}
  #pending = 0
  /** What must have arrived before the next message goes: notifications and answers keep their place. */
  #gate: Promise<unknown> = Promise.resolve()

  constructor(target: ProxyTarget, streams: ProxyStreams, http: Awaited<ReturnType<typeof makeProxyHttp>>) {
    this.#target = target
    this.#streams = streams
    this.#http = http
  }

  async run(signal: AbortSignal) {
    const { log, stdin, stdout } = this.#streams
    const end = () => stdin.destroy()
    stdout.on("error", end)
    signal.addEventListener("abort", end, { once: true })
    if (signal.aborted) end()
    try {
      for await (const line of linesOf(stdin)) {
        if (line.trim() !== "") this.#accept(line)
        if (this.#pending > backlog) throw new Error("The client sends faster than the instance answers")
      }
    } catch (cause) {
      if (!signal.aborted && !stdout.errored) log(`The client was disconnected: ${reasonOf(cause)}`)
    }
    signal.removeEventListener("abort", end)
    await this.#end()
  }

  async #end() {
    this.#ended.abort()
    for (const running of this.#running.values()) running.abort()
    if (this.#session.sessionId !== undefined) {
      const signal = AbortSignal.timeout(endTimeout)
      await this.#http
        .send({ method: "DELETE", headers: sessionHeaders(this.#session), signal })
        .then((response) => response.resume())
        .catch((cause) => this.#streams.log(`The session was not ended: ${reasonOf(cause)}`))
    }
    this.#http.close()
  }

  /** One line to the client, at its pace. */
  async #write(text: string) {
    if (this.#ended.signal.aborted) return
    if (!this.#streams.stdout.write(`${text}\n`)) {
      await once(this.#streams.stdout, "drain", { signal: this.#ended.signal })
    }
  }

  #refuse(id: unknown, code: number, message: string) {
    return this.#write(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } }))
  }

  #accept(line: string) {
    let message: ProxyMessage | undefined
    try {
      message = parse(line)
    } catch {
      return this.#track(this.#refuse(null, parseError, "Parse error: Invalid JSON"))
    }
    if (message === undefined)
      return this.#track(this.#refuse(null, invalidRequest, "Invalid Request: one message a line"))
    if (message.method !== undefined && message.id !== undefined) return this.#track(this.#request(message, line))
    if (message.method === "notifications/cancelled") {
      this.#running.get(memberOf(message.params, "requestId"))?.abort()
      // Since 2026-07-28 the end of the exchange is the cancellation; before, it says nothing.
      if (this.#session.protocolVersion === undefined) return
    }
    this.#gate = this.#notify(message, line, this.#gate)
    this.#track(this.#gate)
  }

  #track(work: Promise<unknown>) {
    this.#pending++
    work
      .catch((cause) => this.#ended.signal.aborted || this.#streams.log(reasonOf(cause)))
      .finally(() => this.#pending--)
  }

  async #notify(message: ProxyMessage, body: string, before: Promise<unknown>) {
    await before.catch(() => undefined)
    const { signal } = this.#ended
    const headers = headersOf(message, this.#session)
    const response = await this.#http.send({ method: "POST", headers, body, signal })
    response.resume()
    if (message.method === "notifications/initialized" && this.#session.sessionId !== undefined) {
      this.#track(
        this.#read(
          undefined,
          () => false,
          (text) => this.#write(text),
          signal
        )
      )
    }
  }

  async #request(request: ProxyMessage, body: string) {
    const running = new AbortController()
    this.#running.set(request.id, running)
    const isCounted = request.method !== "subscriptions/listen"
    await this.#gate.catch(() => undefined)
    if (isCounted) await this.#permits.take()
    try {
      await this.#exchange(request, body, running.signal)
    } catch (cause) {
      if (!running.signal.aborted) {
        this.#streams.log(`${this.#target.baseUrl} gave no answer: ${reasonOf(cause)}`)
        await this.#refuse(request.id, internalError, `DevOps MCP at ${this.#target.baseUrl} did not answer`)
      }
    } finally {
      if (isCounted) this.#permits.give()
      if (this.#running.get(request.id) === running) this.#running.delete(request.id)
    }
  }

  async #exchange(request: ProxyMessage, body: string, signal: AbortSignal) {
    signal.throwIfAborted()
    const headers = {
      ...headersOf(request, this.#session),
      ...(request.method === "tools/call" ? this.#params.headersOf(request.params) : {})
    }
    const response = await this.#http.send({ method: "POST", headers, body, signal })
    let answered = false
    const deliver = async (text: string) => {
      answered ||= await this.#deliver(request, response, text)
    }
    if (response.headers["content-type"]?.startsWith("text/event-stream") === true) {
      await this.#read(response, () => answered, deliver, signal)
    } else {
      const text = await textOf(response)
      if (text !== "") await deliver(text)
    }
    if (!answered) throw new Error(`Status ${response.statusCode} without an answer`)
  }

  /** Hands on one message of an exchange; true when it is the answer. */
  async #deliver(request: ProxyMessage, response: IncomingMessage, text: string): Promise<boolean> {
    const message = parse(text)
    if (message === undefined) throw new Error("The answer is no JSON-RPC message")
    const isAnswer = message.method === undefined && (message.id === request.id || (message.id ?? null) === null)
    if (isAnswer && request.method === "initialize" && claimedVersion(request) === undefined) {
      const version = memberOf(message.result, "protocolVersion")
      const sessionId = response.headers["mcp-session-id"]
      this.#session = {
        ...(typeof version === "string" ? { protocolVersion: version } : {}),
        ...(typeof sessionId === "string" ? { sessionId } : {})
      }
    }
    if (isAnswer && request.method === "tools/list") this.#params.learn(message.result)
    // A refusal before the protocol begins has no id of its own; here it answers the one request of its exchange.
    await this.#write(isAnswer && message.id !== request.id ? JSON.stringify({ ...message, id: request.id }) : text)
    return isAnswer
  }

  /**
   * Reads a stream of messages. One that breaks off is taken up again where it was, as the older revisions allow: the
   * answer to a request when it had an event id, and the session's own stream always.
   */
  async #read(
    begun: IncomingMessage | undefined,
    isDone: () => boolean,
    deliver: (text: string) => Promise<void>,
    signal: AbortSignal
  ) {
    let response = begun
    let last: string | undefined
    let delay = resumeDelay
    for (let failures = 0; failures < resumptions;) {
      try {
        response ??= await this.#http.send({
          method: "GET",
          signal,
          headers: {
            accept: "text/event-stream",
            ...sessionHeaders(this.#session),
            ...(last === undefined ? {} : { "last-event-id": last })
          }
        })
        if (response.statusCode !== 200) return void response.resume()
        for await (const { data, id, retry } of eventsOf(response)) {
          last = id ?? last
          delay = Math.min(retry ?? delay, longestDelay)
          if (data === "") continue
          failures = 0
          await deliver(data)
        }
      } catch (cause) {
        signal.throwIfAborted()
        this.#streams.log(`A stream broke off: ${reasonOf(cause)}`)
        failures++
      }
      const isResumable = this.#session.sessionId !== undefined && (begun === undefined || last !== undefined)
      if (isDone() || !isResumable) return
      response = undefined
      await sleep(delay, undefined, { signal })
    }
  }
}

const reasonOf = (cause: unknown) =>
  cause instanceof Error
    ? cause.message === "" && "code" in cause
      ? String(cause.code)
      : cause.message
    : String(cause)

/**
 * Lets a client that speaks standard input and output use a running instance: each message becomes one POST to its
 * `/mcp`, each answer or streamed message a line. A request that the client cancels is disconnected, and in a session of
 * the older revisions the instance is told; a request without an answer gets an error. Ends when the client closes its
 * end, or at the signal.
 */
export const proxyMcpStdio = async (target: ProxyTarget, streams: ProxyStreams, signal: AbortSignal): Promise<void> =>
  new StdioProxy(target, streams, await makeProxyHttp(target)).run(signal)
