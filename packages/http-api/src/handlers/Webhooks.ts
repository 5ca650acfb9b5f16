import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"
import { makeWithUrl } from "../WebhookUrls.ts"

/** Addresses that tools post their events to. */
export const WebhooksHandlers = HttpApiBuilder.group(
  Api,
  "webhooks",
  Effect.fnUntraced(function* (handlers) {
    const webhooks = yield* Webhooks
    const repository = yield* WebhookRepository
    const withUrl = yield* makeWithUrl

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        const { secret, webhook } = yield* orProblem(webhooks.create(tenantId, payload))
        return { ...(yield* withUrl(webhook)), secret: Redacted.value(secret) }
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        const { items, nextCursor } = yield* orProblem(repository.list(tenantId, pageRequest(query)))
        return { items: yield* Effect.forEach(items, withUrl), nextCursor }
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* withUrl(yield* orProblem(repository.get(tenantId, params.id)))
      }),
      rotateSecret: Effect.fnUntraced(function* ({ params, payload }) {
        const { tenantId } = yield* Caller
        const rotated = yield* orProblem(webhooks.rotateSecret(tenantId, params.id, payload))
        const { previousExpiresAt, secret, webhook } = rotated
        return {
          ...(yield* withUrl(webhook)),
          secret: Redacted.value(secret),
          ...(previousExpiresAt === undefined ? {} : { previousExpiresAt })
        }
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(repository.delete(tenantId, params.id))
      })
    })
  })
)
