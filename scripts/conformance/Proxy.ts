import { Effect, Schema } from "effect"
import { createServer, request as requestTo } from "node:http"
import type { AddressInfo } from "node:net"

/** The proxy cannot listen. */
export class ProxyFailed extends Schema.TaggedError<ProxyFailed>()("ProxyFailed", { cause: Schema.Defect() }) {}

/**
 * The conformance suite sends no credential, and the server takes no request without one. This adds it and nothing
 * else: `Host` and `Origin` pass unchanged, so that the server's own guards are what is tested. Both ways are streamed,
 * and a client that goes away takes its request to the server with it.
 */
export const startProxy = Effect.fnUntraced(function* (target: string, key: string) {
  const { hostname, port } = new URL(target)
  const server = createServer((incoming, outgoing) => {
    const forwarded = requestTo(
      {
        hostname,
        port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, authorization: `Bearer ${key}` }
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        outgoing.flushHeaders()
        answer.pipe(outgoing)
      }
    )
    forwarded.on("error", () => outgoing.destroy())
    outgoing.on("close", () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, ProxyFailed>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(new ProxyFailed({ cause }))))
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  // Listening on a port, and not on a pipe, its address is an object.
  const { port: ownPort } = server.address() as AddressInfo
  // The suite's test of DNS rebinding wants this name.
  return `http://localhost:${ownPort}`
})
