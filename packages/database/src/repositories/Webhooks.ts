import { type StoredSecret, WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { NotFound } from "@devops-mcp/domain/Errors"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { DateTime, Effect, Layer, Schema } from "effect"
import { decodeRows, jsonText, storable, textArray, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

const PlainText = Schema.RedactedFromValue(Schema.String)

const Target = Schema.Struct({
  ...Webhook.fields,
  tenantId: TenantId,
  secret: Schema.optionalKey(PlainText),
  sealedSecret: Schema.optionalKey(SealedText),
  previousSealedSecret: Schema.optionalKey(SealedText),
  previousExpiresAt: Schema.optionalKey(Timestamp)
})

const PlainRow = Schema.Struct({ id: WebhookId, secret: PlainText })

/** The table's check sees to it that a row has exactly one of the two. */
const storedSecret = ({ sealedSecret, secret }: typeof Target.Type): Effect.Effect<StoredSecret> => {
  if (sealedSecret !== undefined) return Effect.succeed({ _tag: "Sealed", sealed: sealedSecret })
  return secret === undefined
    ? Effect.die(new Error("A webhook has no secret"))
    : Effect.succeed({ _tag: "Plain", plain: secret })
}

/** JSON's null is a payload too; a row shows it as an absent column. */
const DeliveryRow = Delivery.mapFields((fields) => ({
  ...fields,
  payload: fields.payload.pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
}))

const KeyRow = Schema.Struct({ webhookId: WebhookId, externalId: Schema.String, deliveryId: DeliveryId })

/** One text for what makes a delivery the same as another. */
const keyOf = ({ externalId, webhookId }: Pick<typeof KeyRow.Type, "webhookId" | "externalId">) =>
  `${webhookId} ${externalId}`

export const WebhookRepositoryLive = Layer.effect(
  WebhookRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const webhooks = yield* makeTable({ table: "webhooks", resource: "webhook", schema: Webhook, key: "id" })
    const deliveries = yield* makeTable({
      table: "deliveries",
      resource: "delivery",
      schema: DeliveryRow,
      key: "id",
      isMonthly: true
    })
    const { sql } = webhooks
    const decodeTarget = decodeRows(Target)
    const decodePlain = decodeRows(PlainRow)
    const decodeKeys = decodeRows(KeyRow)
    const webhookRow = toRow(Webhook)

    return WebhookRepository.of({
      get: webhooks.get,
      list: webhooks.list,
      delete: webhooks.remove,
      getDelivery: deliveries.get,
      create: (tenantId, webhook, secret) =>
        webhooks.run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* webhookRow(webhook)
            yield* sql`insert into webhooks ${sql.insert({ ...row, tenantId, sealedSecret: secret })}`
            return webhook
          })
        ),
      target: (id: WebhookId) =>
        tenancy.system(
          "webhooks.target",
          Effect.gen(function* () {
            const [row] = yield* decodeTarget(yield* sql`select * from webhooks where id = ${id}`)
            if (row === undefined) return yield* new NotFound({ resource: "webhook", id })
            const { createdAt, name, previousExpiresAt, previousSealedSecret, source, tenantId } = row
            return {
              tenantId,
              webhook: { id, source, name, createdAt },
              secret: yield* storedSecret(row),
              ...(previousSealedSecret === undefined || previousExpiresAt === undefined
                ? {}
                : { previous: { sealed: previousSealedSecret, expiresAt: previousExpiresAt } })
            }
          })
        ),
      plainSecrets: (tenantId, limit) =>
        webhooks.run(
          tenantId,
          "plainSecrets",
          Effect.gen(function* () {
            const rows = yield* decodePlain(
              yield* sql`select id, secret from webhooks where secret is not null order by id limit ${limit}`
            )
            return rows.map(({ id, secret }) => ({ id, plain: secret }))
          })
        ),
      sealSecret: (tenantId, id, secret) =>
        webhooks.run(
          tenantId,
          "sealSecret",
          Effect.map(
            sql`
              update webhooks set secret = null, sealed_secret = ${secret}
              where id = ${id} and secret is not null returning id`,
            (rows) => rows.length > 0
          )
        ),
      rotateSecret: (tenantId, id, secret, previousExpiresAt) =>
        webhooks.run(
          tenantId,
          "rotateSecret",
          webhooks.one(
            id,
            previousExpiresAt === undefined
              ? sql`
                  update webhooks set secret = null, sealed_secret = ${secret},
                    previous_sealed_secret = null, previous_expires_at = null
                  where id = ${id} returning *`
              : sql`
                  update webhooks set sealed_secret = ${secret}, previous_sealed_secret = sealed_secret,
                    previous_expires_at = ${DateTime.toDateUtc(previousExpiresAt)}
                  where id = ${id} returning *`
          )
        ),
      noteObject: (tenantId, deliveryId, receivedAt) =>
        deliveries.run(
          tenantId,
          "noteObject",
          Effect.asVoid(
            sql`
              insert into delivery_objects
              ${sql.insert({ deliveryId, tenantId, receivedAt: DateTime.toDateUtc(receivedAt) })}`
          )
        ),
      accept: (tenantId, given) =>
        deliveries.run(
          tenantId,
          "accept",
          Effect.gen(function* () {
            const column = (of: (delivery: Delivery) => string | null) => textArray(given.map(of))
            const webhookIds = column(({ webhookId }) => webhookId)
            const externalIds = column(({ externalId }) => storable(externalId))
            const accepted = yield* decodeKeys(
              yield* sql`
                with given as (
                  select * from unnest(
                    ${column(({ id }) => id)}::uuid[],
                    ${webhookIds}::uuid[],
                    ${column(({ source }) => source)}::text[],
                    ${externalIds}::text[],
                    ${column(({ eventType }) => storable(eventType))}::text[],
                    ${column(({ payload, payloadKey }) => (payloadKey === undefined ? jsonText(payload) : null))}::text[],
                    ${column(({ payloadKey }) => payloadKey ?? null)}::text[],
                    ${column(({ receivedAt }) => DateTime.formatIso(receivedAt))}::timestamptz[]
                  ) as delivery (id, webhook_id, source, external_id, event_type, payload, payload_key, received_at)
                ), key as (
                  insert into delivery_keys (tenant_id, webhook_id, external_id, delivery_id, received_at)
                  select ${tenantId}::uuid, webhook_id, external_id, id, received_at
                  from given order by webhook_id, external_id
                  on conflict (tenant_id, webhook_id, external_id) do nothing returning *
                ), kept as (
                  insert into deliveries
                    (id, tenant_id, webhook_id, source, external_id, event_type, payload, payload_key, received_at)
                  select key.delivery_id, key.tenant_id, key.webhook_id, given.source, key.external_id, given.event_type,
                    given.payload::jsonb, given.payload_key, key.received_at
                  from key join given on given.id = key.delivery_id
                )
                select webhook_id, external_id, delivery_id from key`
            )
            const fresh = new Set(accepted.map(({ deliveryId }) => deliveryId))
            const isFresh = ({ id }: Delivery) => fresh.has(id)
            if (given.every(isFresh)) return given.map(({ id }) => ({ deliveryId: id, duplicate: false }))
            // Whoever was first has committed since the statement began, and the next one sees it.
            const known = yield* decodeKeys(
              yield* sql`
                select webhook_id, external_id, delivery_id from delivery_keys
                where (webhook_id, external_id) in (select * from unnest(${webhookIds}::uuid[], ${externalIds}::text[]))`
            )
            const first = new Map(known.map((key) => [keyOf(key), key.deliveryId]))
            return given.map((delivery) => ({
              deliveryId: first.get(keyOf({ ...delivery, externalId: storable(delivery.externalId) })) ?? delivery.id,
              duplicate: !isFresh(delivery)
            }))
          })
        )
    })
  })
)
