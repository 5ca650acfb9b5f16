import { Api } from "@devops-mcp/contract/Api"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar } from "effect/http-api"

/** The page carries its script and style inside and loads nothing, so it works without the internet. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const ownRouter = HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(
  Layer.provideMerge(HttpRouter.layer)
)

/**
 * `GET /docs`: the API's reference, to read and to try out. Its script takes an eighth of a second to load, so that
 * happens when it is asked for, not at every start.
 */
export const DocsRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const page = yield* Effect.scope.pipe(
      Effect.flatMap((scope) => Layer.buildWithScope(ownRouter, scope)),
      // A router's routes may fail with anything; this one cannot.
      // @effect-diagnostics-next-line anyUnknownInErrorContext:off
      Effect.map((services) => Context.get(services, HttpRouter.HttpRouter).asHttpEffect()),
      Effect.cached
    )
    yield* router.add(
      "GET",
      "/docs",
      page.pipe(
        Effect.flatten,
        Effect.orDie,
        Effect.map(HttpServerResponse.setHeader("content-security-policy", contentSecurityPolicy))
      )
    )
  })
)
