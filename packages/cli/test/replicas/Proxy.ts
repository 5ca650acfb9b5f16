import { asPeer, listening } from "@devops-mcp/testing/Peers"
import { Effect, Queue } from "effect"
import { createServer, type IncomingMessage, request as nodeRequest, type ServerResponse } from "node:http"

/** One answer that began to go through. */
export interface Passed {
  readonly method: string
  readonly status: number
  /** Where it came from. */
  readonly target: string
}

/** A load balancer without sticky sessions: what is new goes to `target`, and what is broken behind it breaks. */
export const makeProxy = Effect.fnUntraced(function* (first: string) {
  const passed = yield* Queue.unbounded<Passed>()
  let target = first

  const forward = (request: IncomingMessage, response: ServerResponse) => {
    const { headers, method = "", url = "" } = request
    const to = target
    const onward = nodeRequest(`${to}${url}`, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      response.flushHeaders()
      answer.pipe(response)
      answer.on("error", () => response.destroy())
      Queue.offerUnsafe(passed, { method, status: answer.statusCode ?? 502, target: to })
    })
    onward.on("error", () => response.destroy())
    response.on("close", () => onward.destroy())
    request.pipe(onward)
  }

  // What it passes on is heard where it comes from.
  const port = yield* listening(asPeer(createServer(forward)))

  /** Waits for the next answer that is so. */
  const next = (matches: (answer: Passed) => boolean) => Effect.repeat(Queue.take(passed), { until: matches })

  return {
    url: `http://127.0.0.1:${port}`,
    next,
    use: (url: string) =>
      Effect.sync(() => {
        target = url
      })
  }
})
