import type { AcceptedDelivery, CreateWebhook, RotateWebhookSecret } from "@devops-mcp/contract/WebhooksApi"
import { InvalidInput, type NotFound, type StaleSignature, type Unauthenticated } from "@devops-mcp/domain/Errors"
import { DeliveryId, type TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Webhook, WebhookSource } from "@devops-mcp/domain/Webhook"
import { secretOverlap } from "@devops-mcp/resilience/Policies"
import { Context, DateTime, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { makeNewId } from "../NewId.ts"
import { longestGroup } from "../ports/JobQueue.ts"
import type { ObjectStoreError } from "../ports/ObjectStore.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { WebhookAdapters, type WebhookHeaders } from "../ports/WebhookAdapter.ts"
import { type WebhookTarget, WebhookRepository } from "../ports/WebhookRepository.ts"
import { Secrets } from "../secrets/Secrets.ts"
import { webhookSecret } from "../secrets/Purposes.ts"
import { deepestNesting, isNestedDeeper } from "../JsonNesting.ts"
import { makeAcceptance } from "./Acceptance.ts"
import { countDelivery, countingRefusals } from "./DeliveryCounts.ts"
import { makePayloads } from "./Payloads.ts"
import { makeWebhookTargets } from "./WebhookTargets.ts"

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
    /** Gives the webhook another secret; the one before verifies too until the time that is answered, if there is one. */
    readonly rotateSecret: (
      tenantId: TenantId,
      id: WebhookId,
      input: typeof RotateWebhookSecret.Type
    ) => Effect.Effect<
      {
        readonly webhook: Webhook
        readonly secret: Redacted.Redacted
        readonly previousExpiresAt: DateTime.Utc | undefined
      },
      NotFound | StoreError
    >
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
      NotFound | Unauthenticated | StaleSignature | InvalidInput | StoreError | ObjectStoreError
    >
  }
>()("@devops-mcp/core/webhooks/Webhooks") {
  static readonly layer = Layer.effect(
    Webhooks,
    Effect.gen(function* () {
      const repository = yield* WebhookRepository
      const adapters = yield* WebhookAdapters
      const random = yield* SecureRandom.SecureRandom
      const secrets = yield* Secrets
      const targets = yield* makeWebhookTargets
      const payloads = yield* makePayloads
      const accept = yield* makeAcceptance
      const newId = yield* makeNewId

      /** With the newest secret, or with the one before as long as it is good for that. */
      const verified = <A>(
        target: WebhookTarget,
        verify: (secret: Redacted.Redacted) => Effect.Effect<A, Unauthenticated | StaleSignature>
      ) =>
        Effect.gen(function* () {
          const { previous, secret } = target
          const newest = secret._tag === "Plain" ? secret.plain : yield* targets.open(target, secret.sealed)
          return yield* Effect.catchTag(verify(newest), "@devops-mcp/domain/Errors/Unauthenticated", (refusal) =>
            Effect.gen(function* () {
              if (previous === undefined) return yield* refusal
              if (DateTime.isLessThanOrEqualTo(previous.expiresAt, yield* DateTime.now)) return yield* refusal
              return yield* verify(yield* targets.open(target, previous.sealed))
            })
          )
        })

      const secretOf = (given: string | undefined) =>
        given === undefined
          ? Effect.map(random.randomBytes(32), (bytes) => Redacted.make(Base64Url.encode(bytes)))
          : Effect.succeed(Redacted.make(given))

      const create = Effect.fn("Webhooks.create")(function* (tenantId: TenantId, input: typeof CreateWebhook.Type) {
        const secret = yield* secretOf(input.secret)
        const id = yield* newId(WebhookId)
        const webhook = yield* repository.create(
          tenantId,
          { id, source: input.source, name: input.name, createdAt: yield* DateTime.now },
          yield* secrets.seal(tenantId, webhookSecret(id), secret)
        )
        return { webhook, secret }
      })

      const rotateSecret = Effect.fn("Webhooks.rotateSecret")(function* (
        tenantId: TenantId,
        id: WebhookId,
        input: typeof RotateWebhookSecret.Type
      ) {
        const overlap = input.overlapSeconds === undefined ? secretOverlap : Duration.seconds(input.overlapSeconds)
        const previousExpiresAt = Duration.isZero(overlap)
          ? undefined
          : DateTime.addDuration(yield* DateTime.now, overlap)
        const target = yield* repository.target(id)
        if (target.tenantId === tenantId && target.secret._tag === "Plain") {
          const { plain } = target.secret
          yield* repository.sealSecret(tenantId, id, yield* secrets.seal(tenantId, webhookSecret(id), plain))
        }
        const secret = yield* secretOf(input.secret)
        const sealed = yield* secrets.seal(tenantId, webhookSecret(id), secret)
        const webhook = yield* repository.rotateSecret(tenantId, id, sealed, previousExpiresAt)
        yield* targets.forget(id)
        return { webhook, secret, previousExpiresAt }
      })

      const take = Effect.fnUntraced(function* (target: WebhookTarget, headers: WebhookHeaders, body: string) {
        const { tenantId, webhook } = target
        const adapter = adapters.get(webhook.source)
        if (adapter === undefined) return yield* Effect.die(new Error(`No adapter for the source ${webhook.source}`))
        yield* verified(target, (secret) => adapter.verify({ secret, headers, body }))
        const payload = yield* decodePayload(body)
        const { eventType, externalId, group } = yield* adapter.identify(headers, payload, body)
        const deliveryId = yield* newId(DeliveryId)
        const receivedAt = yield* DateTime.now
        const payloadKey = yield* payloads.keep(tenantId, deliveryId, receivedAt, body)
        const delivery = {
          id: deliveryId,
          webhookId: webhook.id,
          source: webhook.source,
          externalId,
          eventType,
          ...(payloadKey === undefined ? { payload } : { payload: null, payloadKey }),
          receivedAt
        }
        const challenge = adapter.challenge?.(payload)
        const accepted = yield* accept(tenantId, delivery, group === undefined ? undefined : groupOf(webhook.id, group))
        if (accepted.status === "duplicate") yield* payloads.discard(payloadKey)
        yield* countDelivery(webhook.source, accepted.status)
        return challenge === undefined ? accepted : { ...accepted, challenge }
      })

      const receive = Effect.fn("Webhooks.receive")((id: WebhookId, headers: WebhookHeaders, body: string) =>
        Effect.suspend(() => {
          let source: WebhookSource | "unknown" = "unknown"
          const taken = targets.use(id, (target) => {
            source = target.webhook.source
            return take(target, headers, body)
          })
          return countingRefusals(() => source)(taken)
        })
      )

      return Webhooks.of({ create, rotateSecret, receive })
    })
  )
}
