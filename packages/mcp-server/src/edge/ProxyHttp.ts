// Part of the stdio proxy, which imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.
import type { IncomingMessage } from "node:http"
import { StringDecoder } from "node:string_decoder"

/** The instance that answers, and the key to it. */
export interface ProxyTarget {
  /** Without a path, for example `http://localhost:8080`. */
  readonly baseUrl: string
  readonly apiKey: string
}

/** Milliseconds that the instance may take to begin an answer; a tool call takes at most 60 s of it. */
const answerTimeout = 90_000

/** Milliseconds that a stream may be silent; the instance sends a comment every 15 s. */
const silenceTimeout = 60_000

/** Characters of one message; a result has 25,000 tokens at most. */
export const maxMessageLength = 4 * 1024 * 1024

/** Lines of a stream of bytes, without their ends; fails on one that is too long. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8")
  let rest = ""
  for await (const chunk of chunks) {
    let searched = rest.length
    rest += decoder.write(chunk)
    let start = 0
    for (let end = rest.indexOf("\n", searched); end >= 0; end = rest.indexOf("\n", start)) {
      yield rest.slice(start, rest[end - 1] === "\r" && end > start ? end - 1 : end)
      start = end + 1
      searched = start
    }
    rest = rest.slice(start)
    if (rest.length > maxMessageLength) throw new Error("The message is too long")
  }
  if (rest !== "") yield rest
}

/** One server-sent event; `data` is empty when it only tells how to go on. */
interface ServerSentEvent {
  readonly data: string
  readonly id: string | undefined
  readonly retry: number | undefined
}

export async function* eventsOf(response: IncomingMessage): AsyncGenerator<ServerSentEvent> {
  response.setTimeout(silenceTimeout)
  let data = ""
  let id: string | undefined
  let retry: number | undefined
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (data !== "" || id !== undefined || retry !== undefined) yield { data, id, retry }
      data = ""
      id = undefined
      retry = undefined
      continue
    }
    const [, field, value = ""] = /^([a-z]+)(?:: ?(.*))?$/s.exec(line) ?? []
    // A line break between the lines of one JSON text means no more than a space.
    if (field === "data") data = data === "" ? value : `${data} ${value}`
    else if (field === "id") id = value
    else if (field === "retry" && /^\d+$/.test(value)) retry = Number(value)
    if (data.length > maxMessageLength) throw new Error("The message is too long")
  }
}

/** The whole of an answer that is no stream, on one line. */
export const textOf = async (response: IncomingMessage): Promise<string> => {
  const lines: Array<string> = []
  let length = 0
  for await (const line of linesOf(response)) {
    lines.push(line)
    length += line.length + 1
    if (length > maxMessageLength) throw new Error("The message is too long")
  }
  return lines.join(" ").trim()
}

export interface ProxyRequest {
  readonly method: "POST" | "GET" | "DELETE"
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

/** Requests to `/mcp` of the instance. Node's own client: `fetch` alone takes longer to load than the whole proxy. */
export const makeProxyHttp = async ({ apiKey, baseUrl }: ProxyTarget) => {
  const url = new URL(`${baseUrl}/mcp`)
  const { Agent, request } = url.protocol === "https:" ? await import("node:https") : await import("node:http")
  const agent = new Agent({ keepAlive: true })
  return {
    send: ({ body = "", headers, method, signal }: ProxyRequest): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const common = { authorization: `Bearer ${apiKey}`, ...headers }
        const content = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
        const sent = request(
          url,
          {
            agent,
            method,
            signal,
            timeout: answerTimeout,
            headers:
              method === "POST" ? { accept: "application/json, text/event-stream", ...common, ...content } : common
          },
          resolve
        )
        sent.on("timeout", () => sent.destroy(new Error("The instance fell silent")))
        sent.on("error", reject)
        sent.end(method === "POST" ? body : undefined)
      }),
    close: () => agent.destroy()
  }
}
