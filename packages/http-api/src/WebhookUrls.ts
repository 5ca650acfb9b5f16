import type { Webhook } from "@devops-mcp/domain/Webhook"
import { publicUrl } from "@devops-mcp/infrastructure/Settings"
import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"

/** Gives webhooks the address that tools post to: under `PUBLIC_URL`, else under the host that the caller used. */
export const makeWithUrl = Effect.gen(function* () {
  const configured = Option.map(yield* publicUrl, (url) => `${url.origin}${url.pathname}`.replace(/\/+$/, ""))
  return (webhook: Webhook) =>
    Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
      const base = Option.orElse(configured, () => Option.map(HttpServerRequest.toURL(request), (url) => url.origin))
      return { ...webhook, url: `${Option.getOrElse(base, () => "")}/webhooks/${webhook.id}` }
    })
})
