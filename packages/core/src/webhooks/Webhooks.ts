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
import type { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { WebhookAdapters, type WebhookHeaders } from "../ports/WebhookAdapter.ts"
import { type WebhookTarget, WebhookRepository } from "../ports/WebhookRepository.ts"
import { Secrets } from "../secrets/Secrets.ts"
import { webhookSecret } from "../secrets/Purposes.ts"
import { deepestNesting, isNestedDeeper } from "../JsonNesting.ts"
import { makeWebhookTargets } from "./WebhookTargets.ts"

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
      NotFound | Unauthenticated | InvalidInput | StoreError | QueueError
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
      const targets = yield* makeWebhookTargets
      const newId = yield* makeNewId

      const secretOf = (target: WebhookTarget) =>
        target.secret._tag === "Plain"
          ? Effect.succeed(target.secret.plain)
          : targets.open(target, target.secret.sealed)

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
        const { eventType, externalId } = yield* adapter.identify(headers, payload)
        const delivery = {
          id: yield* newId(DeliveryId),
          webhookId: webhook.id,
          source: webhook.source,
          externalId,
          eventType,
          payload,
          receivedAt: yield* DateTime.now
        }
        return yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const { deliveryId, duplicate } = yield* repository.accept(tenantId, delivery)
            if (duplicate) return { deliveryId, status: "duplicate" as const }
            yield* jobs.offer(Job.cases.IngestDelivery.make({ tenantId, deliveryId }), { id: `delivery:${deliveryId}` })
            return { deliveryId, status: "accepted" as const }
          })
        )
      })

      const receive = Effect.fn("Webhooks.receive")((id: WebhookId, headers: WebhookHeaders, body: string) =>
        targets.use(id, (target) => take(target, headers, body))
      )

      return Webhooks.of({ create, receive })
    })
  )
}
