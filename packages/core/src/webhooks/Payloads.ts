import type { DeliveryId, TenantId } from "@devops-mcp/domain/Ids"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { payloadStoreTimeout } from "@devops-mcp/resilience/Policies"
import { type DateTime, Effect, Option, Schema } from "effect"
import { ObjectStore, ObjectStoreError } from "../ports/ObjectStore.ts"
import { WebhookRepository } from "../ports/WebhookRepository.ts"

/** Bytes of the longest body that is kept in the database; a longer one is an object. */
export const longestInlineBody = 64 * 1024

/** The key of the object that has a delivery's payload. */
export const payloadKeyOf = (tenantId: TenantId, id: DeliveryId): string => `deliveries/${tenantId}/${id}`

const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

/** The payloads of deliveries that are too large for a row. */
export const makePayloads = Effect.gen(function* () {
  const objects = yield* ObjectStore
  const repository = yield* WebhookRepository

  const inTime = <A>(operation: ObjectStoreError["operation"], effect: Effect.Effect<A, ObjectStoreError>) =>
    Effect.timeoutOrElse(effect, {
      duration: payloadStoreTimeout,
      orElse: () =>
        Effect.fail(new ObjectStoreError({ operation, retryable: true, cause: "The object store takes too long" }))
    })

  /** Puts a large body into an object before its delivery is accepted; answers the object's key, if there is one. */
  const keep = Effect.fnUntraced(function* (
    tenantId: TenantId,
    id: DeliveryId,
    receivedAt: DateTime.Utc,
    body: string
  ) {
    // A character has three bytes at most.
    if (body.length * 3 <= longestInlineBody) return undefined
    const bytes = new TextEncoder().encode(body)
    if (bytes.length <= longestInlineBody) return undefined
    const key = payloadKeyOf(tenantId, id)
    yield* repository.noteObject(tenantId, id, receivedAt)
    yield* inTime("put", objects.put(key, bytes))
    return key
  })

  /** The delivery with its payload, wherever that is. */
  const load = Effect.fnUntraced(function* (delivery: Delivery) {
    if (delivery.payloadKey === undefined) return delivery
    const found = yield* inTime("get", objects.get(delivery.payloadKey))
    if (Option.isNone(found))
      return yield* Effect.die(new Error("The payload of a delivery is not in the object store"))
    const payload = yield* Effect.orDie(decode(new TextDecoder().decode(found.value)))
    return { ...delivery, payload }
  })

  /** Of a delivery that was not accepted. What is left behind all the same is removed with what is old. */
  const discard = (key: string | undefined) =>
    key === undefined ? Effect.void : Effect.ignore(inTime("delete", objects.delete(key)))

  return { keep, load, discard }
})
