import { Job } from "@devops-mcp/contract/Jobs"
import type { AcceptedDelivery, CreateWebhook } from "@devops-mcp/contract/WebhooksApi"
import { InvalidInput, type NotFound, type StaleSignature, type Unauthenticated } from "@devops-mcp/domain/Errors"
import { DeliveryId, type TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Webhook } from "@devops-mcp/domain/Webhook"
import { Context, DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { makeNewId } from "../NewId.ts"
import { JobQueue, longestGroup, type QueueError } from "../ports/JobQueue.ts"
import { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { WebhookAdapters, type WebhookHeaders } from "../ports/WebhookAdapter.ts"
import { type WebhookTarget, WebhookRepository } from "../ports/WebhookRepository.ts"
import { Secrets } from "../secrets/Secrets.ts"
import { webhookSecret } from "../secrets/Purposes.ts"
import { deepestNesting, isNestedDeeper } from "../JsonNesting.ts"
import { countDelivery, countingRefusals } from "./DeliveryCounts.ts"

const decodeJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const refused = (detail: string) => new InvalidInput({ pointer: "/body", detail })

const decodePayload = (body: string) =>
  isNestedDeeper(body, deepestNesting)
    ? Effect.fail(refused(`The body is nested deeper than ${deepestNesting} levels`))
    : Effect.mapError(decodeJson(body), () => refused("The body is not JSON"))

/** Order is kept within one webhook; two names that are this long and begin alike share theirs. */
const groupOf = (webhookId: WebhookId, group: string) => `${webhookId}:${group}`.slice(0, longestGroup)

/** Gives tools an address to post to, and takes in what they post: durable before it is answered, once however often. */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    readonly create: (
      tenantId: TenantId,
      input: typeof CreateWebhook.Type
    ) => Effect.Effect<{ readonly webhook: Webhook; readonly secret: Redacted.Redacted }, StoreError>
    /**
     * The signature is checked before anything else is looked at. A sender that asks whether the address is ours, gets
     * its challenge back; its question is kept like every delivery.
     */
    readonly receive: (
      id: WebhookId,
      headers: WebhookHeaders,
      body: string
    ) => Effect.Effect<
      typeof AcceptedDelivery.Type & { readonly challenge?: string },
      NotFound | Unauthenticated | StaleSignature | InvalidInput | StoreError | QueueError
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

      const take = Effect.fnUntraced(function* (target: WebhookTarget, headers: WebhookHeaders, body: string) {
        const { tenantId, webhook } = target
        const adapter = adapters.get(webhook.source)
        if (adapter === undefined) return yield* Effect.die(new Error(`No adapter for the source ${webhook.source}`))
        yield* adapter.verify({ secret: yield* secretOf(target), headers, body })
        const payload = yield* decodePayload(body)
        const { eventType, externalId, group } = yield* adapter.identify(headers, payload, body)
        const delivery = {
          id: yield* newId(DeliveryId),
          webhookId: webhook.id,
          source: webhook.source,
          externalId,
          eventType,
          payload,
          receivedAt: yield* DateTime.now
        }
        const challenge = adapter.challenge?.(payload)
        const accepted = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const { deliveryId, duplicate } = yield* repository.accept(tenantId, delivery)
            if (duplicate) return { deliveryId, status: "duplicate" as const }
            yield* jobs.offer(Job.cases.IngestDelivery.make({ tenantId, deliveryId }), {
              id: `delivery:${deliveryId}`,
              ...(group === undefined ? {} : { group: groupOf(webhook.id, group) })
            })
            return { deliveryId, status: "accepted" as const }
          })
        )
        yield* countDelivery(webhook.source, accepted.status)
        return challenge === undefined ? accepted : { ...accepted, challenge }
      })

      const receive = Effect.fn("Webhooks.receive")(function* (id: WebhookId, headers: WebhookHeaders, body: string) {
        const target = yield* countingRefusals("unknown")(repository.target(id))
        return yield* countingRefusals(target.webhook.source)(take(target, headers, body))
      })

      return Webhooks.of({ create, receive })
    })
  )
}
