import { Job } from "@devops-mcp/contract/Jobs"
import type { AcceptedDelivery, CreateWebhook } from "@devops-mcp/contract/WebhooksApi"
import { InvalidInput, type NotFound, type Unauthenticated } from "@devops-mcp/domain/Errors"
import { DeliveryId, type TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Webhook } from "@devops-mcp/domain/Webhook"
import { Context, DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { makeNewId } from "../NewId.ts"
import { JobQueue, type QueueError } from "../ports/JobQueue.ts"
import type { ObjectStoreError } from "../ports/ObjectStore.ts"
import { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { WebhookAdapters, type WebhookHeaders } from "../ports/WebhookAdapter.ts"
import { type WebhookTarget, WebhookRepository } from "../ports/WebhookRepository.ts"
import { Secrets } from "../secrets/Secrets.ts"
import { webhookSecret } from "../secrets/Purposes.ts"
import { deepestNesting, isNestedDeeper } from "../JsonNesting.ts"
import { makePayloads } from "./Payloads.ts"

const decodeJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const refused = (detail: string) => new InvalidInput({ pointer: "/body", detail })

const decodePayload = (body: string) =>
  isNestedDeeper(body, deepestNesting)
    ? Effect.fail(refused(`The body is nested deeper than ${deepestNesting} levels`))
    : Effect.mapError(decodeJson(body), () => refused("The body is not JSON"))

/** Gives tools an address to post to, and takes in what they post: durable before it is answered, once however often. */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    readonly create: (
      tenantId: TenantId,
      input: typeof CreateWebhook.Type
    ) => Effect.Effect<{ readonly webhook: Webhook; readonly secret: Redacted.Redacted }, StoreError>
    /** The signature is checked before anything else is looked at. */
    readonly receive: (
      id: WebhookId,
      headers: WebhookHeaders,
      body: string
    ) => Effect.Effect<
      typeof AcceptedDelivery.Type,
      NotFound | Unauthenticated | InvalidInput | StoreError | QueueError | ObjectStoreError
    >
  }
>()("@devops-mcp/core/webhooks/Webhooks") {
  static readonly layer = Layer.effect(
    Webhooks,
    Effect.gen(function* () {
      const repository = yield* WebhookRepository
      const adapters = yield* WebhookAdapters
      const transactions = yield* Transactions
      const jobs = yield* JobQueue
      const random = yield* SecureRandom.SecureRandom
      const secrets = yield* Secrets
      const payloads = yield* makePayloads
      const newId = yield* makeNewId

      /** Who sends repeats a delivery that met an outage, and a key that is missing from the configuration is one. */
      const secretOf = ({ secret, tenantId, webhook }: WebhookTarget) =>
        secret._tag === "Plain"
          ? Effect.succeed(secret.plain)
          : secrets
              .open(tenantId, webhookSecret(webhook.id), secret.sealed)
              .pipe(
                Effect.mapError((cause) => new StoreError({ operation: "webhooks.secret", retryable: false, cause }))
              )

      const create = Effect.fn("Webhooks.create")(function* (tenantId: TenantId, input: typeof CreateWebhook.Type) {
        const secret = Redacted.make(input.secret ?? Base64Url.encode(yield* random.randomBytes(32)))
        const id = yield* newId(WebhookId)
        const webhook = yield* repository.create(
          tenantId,
          { id, source: input.source, name: input.name, createdAt: yield* DateTime.now },
          yield* secrets.seal(tenantId, webhookSecret(id), secret)
        )
        return { webhook, secret }
      })

      const receive = Effect.fn("Webhooks.receive")(function* (id: WebhookId, headers: WebhookHeaders, body: string) {
        const target = yield* repository.target(id)
        const { tenantId, webhook } = target
        const adapter = adapters.get(webhook.source)
        if (adapter === undefined) return yield* Effect.die(new Error(`No adapter for the source ${webhook.source}`))
        yield* adapter.verify({ secret: yield* secretOf(target), headers, body })
        const payload = yield* decodePayload(body)
        const { eventType, externalId } = yield* adapter.identify(headers, payload)
        const deliveryId = yield* newId(DeliveryId)
        const receivedAt = yield* DateTime.now
        const payloadKey = yield* payloads.keep(tenantId, deliveryId, receivedAt, body)
        const delivery = {
          id: deliveryId,
          webhookId: id,
          source: webhook.source,
          externalId,
          eventType,
          ...(payloadKey === undefined ? { payload } : { payload: null, payloadKey }),
          receivedAt
        }
        const accepted = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const { deliveryId, duplicate } = yield* repository.accept(tenantId, delivery)
            if (duplicate) return { deliveryId, status: "duplicate" as const }
            yield* jobs.offer(Job.cases.IngestDelivery.make({ tenantId, deliveryId }), { id: `delivery:${deliveryId}` })
            return { deliveryId, status: "accepted" as const }
          })
        )
        if (accepted.status === "duplicate") yield* payloads.discard(payloadKey)
        return accepted
      })

      return Webhooks.of({ create, receive })
    })
  )
}
