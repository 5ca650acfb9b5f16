import { Job } from "@devops-mcp/contract/Jobs"
import { SigningKey, signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import type { PreparedJobs } from "@devops-mcp/core/ports/JobQueue"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import type { Event } from "@devops-mcp/domain/Event"
import { DeliveryId, EventId, TenantId } from "@devops-mcp/domain/Ids"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"

/** A fresh id of any branded kind. */
export const freshId = <A>(schema: { readonly make: (input: string) => A }): A =>
  schema.make(SecureRandom.uuidV7Unsafe())

/** A tenant of the test's own, so that tests share a database without seeing each other. */
export const freshTenant = Effect.gen(function* () {
  const tenants = yield* TenantRepository
  const tenant = yield* tenants.create({ id: freshId(TenantId), name: "test", createdAt: yield* DateTime.now })
  return tenant.id
})

/** Jobs of deliveries as Amazon SQS has them: they wait in the outbox, and a worker that has its jobs elsewhere takes none. */
export const outboxJobs = (tenantId: TenantId, deliveries: ReadonlyArray<Delivery>): PreparedJobs => ({
  store: "outbox",
  rows: deliveries.map(({ id }) => ({
    queue: "deliveries",
    id: `delivery:${id}`,
    group: id,
    content: JSON.stringify({ job: Job.cases.IngestDelivery.make({ tenantId, deliveryId: id }) }),
    traceparent: undefined,
    delay: Duration.zero
  })),
  written: () => Effect.void
})

/** Stores one delivery by itself. */
export const acceptOne = Effect.fnUntraced(function* (tenantId: TenantId, delivery: Delivery) {
  const jobs = outboxJobs(tenantId, [delivery])
  const [answer] = yield* (yield* WebhookRepository).accept(tenantId, [delivery], jobs)
  if (answer === undefined) throw new Error("There is no answer for the delivery")
  return answer
})

/** When the events of tests happen, unless a test says otherwise. */
export const eventTime = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

/** An event as it is first stored. */
export const newEvent = (fields: Partial<Event> = {}): Event => ({
  id: freshId(EventId),
  source: "github",
  type: "push",
  title: "Ada pushed",
  summary: "Ada pushed one commit",
  occurredAt: eventTime,
  receivedAt: eventTime,
  deliveryId: freshId(DeliveryId),
  status: "received",
  ...fields
})

/** An installation's key that everybody knows. */
export const TestSigningKey = SigningKey.layer(Redacted.make(new Uint8Array(signingKeyBytes).fill(7))).pipe(
  Layer.provide(NodeCrypto.layerKdf)
)

/** Secrets sealed with that key. */
export const TestSecrets = Secrets.layer.pipe(
  Layer.provide(TestSigningKey),
  Layer.provide([NodeCrypto.layerAead, NodeCrypto.layerKeyWrap, NodeCrypto.layerSecureRandom])
)

/** Has the form of a sealed secret, for what only stores it; opens nowhere. */
export const anySealedText = SealedText.make(
  `dms1.${"0".repeat(16)}.${"A".repeat(54)}.${"A".repeat(16)}.${"A".repeat(22)}`
)
