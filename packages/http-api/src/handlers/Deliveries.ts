import { Api } from "@devops-mcp/contract/Api"
import { UnsupportedMediaType } from "@devops-mcp/contract/Problems"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { webhookDeliveries } from "@devops-mcp/observability/Metrics"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect, Metric } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { badRequest, toProblem } from "../Problems.ts"

const jsonContent = /^application\/(?:[a-z0-9.+-]+\+)?json(?:\s*;|\s*$)/i

const requireJson = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (jsonContent.test(request.headers["content-type"] ?? "application/json")) return
  return yield* new UnsupportedMediaType({
    code: "unsupported-media-type",
    detail: "Send deliveries as application/json",
    requestId: yield* RequestId
  })
})

const invalid = (pointer: string, detail: string) =>
  Effect.flatMap(badRequest([{ pointer, detail }], "invalid-delivery"), Effect.fail)

/** The body, exactly as it was signed: a byte order mark stays, and what is not UTF-8 is refused, not repaired. */
const rawBody = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  // A body that cannot be read is a defect here as it is in all other routes; `Validation` answers both.
  const bytes = yield* Effect.orDie(request.arrayBuffer)
  return yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () => "not UTF-8" as const
  }).pipe(Effect.catch(() => invalid("/body", "The body is not UTF-8")))
})

const count = (outcome: string) => Metric.update(Metric.withAttributes(webhookDeliveries, { outcome }), 1)

/** Where tools post. */
export const DeliveriesHandlers = HttpApiBuilder.group(
  Api,
  "deliveries",
  Effect.fnUntraced(function* (handlers) {
    const webhooks = yield* Webhooks

    return handlers.handleAll({
      receive: ({ params, request }) =>
        Effect.gen(function* () {
          yield* requireJson(request)
          const body = yield* rawBody(request)
          return yield* webhooks.receive(params.id, request.headers, body).pipe(
            // A sender did not write this request for us, so nothing in it is "understood but not acceptable" (422).
            Effect.catch(
              Effect.fnUntraced(function* (error) {
                if (error._tag !== "@devops-mcp/domain/Errors/InvalidInput") return yield* toProblem(error)
                return yield* invalid(error.pointer, error.detail)
              })
            )
          )
        }).pipe(
          Effect.tap(({ status }) => count(status)),
          Effect.tapError(({ code }) => count(code)),
          Effect.tapDefect(() => count("failed"))
        )
    })
  })
)
