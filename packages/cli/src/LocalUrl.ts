import { tlsFiles } from "@devops-mcp/infrastructure/Tls"
import { Effect, Option } from "effect"
import { HttpServer } from "effect/http"

/** The address to call the server by from this machine; one that listens on every interface is called here. */
export const localUrl = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const url = HttpServer.formatAddress(address).replace(/\/\/(0\.0\.0\.0|127\.0\.0\.1|\[::1?\])/, "//localhost")
  return Option.isSome(yield* tlsFiles) ? url.replace(/^http:/, "https:") : url
})
