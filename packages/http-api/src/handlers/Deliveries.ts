import { Api } from "@devops-mcp/contract/Api"
import { UnsupportedMediaType } from "@devops-mcp/contract/Problems"
import { countDelivery } from "@devops-mcp/core/webhooks/DeliveryCounts"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect } from "effect"
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

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The body, exactly as it was signed: a byte order mark stays, and what is not UTF-8 is refused, not repaired. */
const rawBody = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  // A body that cannot be read is a defect here as it is in all other routes; `Validation` answers both.
  const bytes = yield* Effect.orDie(request.arrayBuffer)
  return yield* Effect.try({
    try: () => utf8.decode(bytes),
    catch: () => "not UTF-8" as const
  }).pipe(Effect.catch(() => invalid("/body", "The body is not UTF-8")))
})

/** The body of a delivery that can be one at all; what cannot is counted here, for no webhook ever sees it. */
const readable = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.andThen(requireJson(request), rawBody(request)).pipe(
    Effect.tapError(({ code }) => countDelivery("unknown", code)),
    Effect.tapDefect(() => countDelivery("unknown", "unreadable"))
  )

/** Where tools post. */
export const DeliveriesHandlers = HttpApiBuilder.group(
  Api,
  "deliveries",
  Effect.fnUntraced(function* (handlers) {
    const webhooks = yield* Webhooks

    return handlers.handleAll({
      receive: Effect.fnUntraced(function* ({ params, request }) {
        const body = yield* readable(request)
        const { challenge, ...accepted } = yield* webhooks.receive(params.id, request.headers, body).pipe(
          // A sender did not write this request for us, so nothing in it is "understood but not acceptable" (422).
          Effect.catch(
            Effect.fnUntraced(function* (error) {
              if (error._tag !== "@devops-mcp/domain/Errors/InvalidInput") return yield* toProblem(error)
              return yield* invalid(error.pointer, error.detail)
            })
          )
        )
        return challenge === undefined ? accepted : { challenge }
      })
    })
  })
)
