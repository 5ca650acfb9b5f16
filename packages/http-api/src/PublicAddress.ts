import { publicUrl } from "@devops-mcp/infrastructure/Settings"
import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"

/** The address that others reach us at, without a slash at its end: `PUBLIC_URL`, else what the caller used. */
export const makePublicAddress = Effect.gen(function* () {
  const configured = Option.map(yield* publicUrl, (url) => `${url.origin}${url.pathname}`.replace(/\/+$/, ""))
  const address = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
    configured.pipe(
      Option.orElse(() => Option.map(HttpServerRequest.toURL(request), (url) => url.origin)),
      Option.getOrElse(() => "")
    )
  )
  return { address }
})
