import { type Cause, Effect, Queue } from "effect"
import { type IncomingMessage, request as nodeRequest } from "node:http"

export interface RawRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent in pieces of unknown total length when it is a list. */
  readonly body?: string | ReadonlyArray<string>
  /** Leaves the body open after what there is of it. */
  readonly unfinished?: boolean
}

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly text: string
}

/** A request as no well-behaved client would send it. The connection is closed with the answer or by interruption. */
export const send = (url: string, { body = [], headers = {}, method = "POST", unfinished = false }: RawRequest) =>
  Effect.callback<RawResponse, Error>((resume) => {
    const pieces = typeof body === "string" ? [body] : body
    const length = typeof body === "string" ? { "content-length": String(Buffer.byteLength(body)) } : {}
    const request = nodeRequest(url, { method, headers: { ...length, ...headers }, agent: false }, (response) => {
      let text = ""
      const answer = () => {
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
        request.destroy()
      }
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", answer)
      response.on("error", answer)
    })
    // A server that refuses a body before its end may close while we still write; its answer is what counts.
    request.on("error", (error) => resume(Effect.fail(error)))
    for (const piece of pieces) request.write(piece)
    if (unfinished) request.flushHeaders()
    else request.end()
    return Effect.sync(() => request.destroy())
  })

/** A response that nobody reads until `read` is run, which gives its pieces until its end. */
export const open = ({ body, headers = {}, url }: { url: string; body: string; headers?: Record<string, string> }) =>
  Effect.gen(function* () {
    const request = yield* Effect.acquireRelease(
      Effect.sync(() => nodeRequest(url, { method: "POST", headers: { ...headers }, agent: false })),
      (opened) => Effect.sync(() => opened.destroy())
    )
    const response = yield* Effect.callback<IncomingMessage, Error>((resume) => {
      request.on("response", (answered) => resume(Effect.succeed(answered)))
      request.on("error", (error) => resume(Effect.fail(error)))
      request.end(body)
    })
    const read = Effect.gen(function* () {
      const texts = yield* Queue.unbounded<string, Cause.Done>()
      response.setEncoding("utf8")
      response.on("data", (text: string) => Queue.offerUnsafe(texts, text))
      response.on("close", () => Queue.endUnsafe(texts))
      return texts
    })
    return { status: response.statusCode, read }
  })
