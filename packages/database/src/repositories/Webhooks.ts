import { type StoredSecret, WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { NotFound } from "@devops-mcp/domain/Errors"
import { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { Effect, Layer, Schema } from "effect"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

const PlainText = Schema.RedactedFromValue(Schema.String)

const Target = Schema.Struct({
  ...Webhook.fields,
  tenantId: TenantId,
  secret: Schema.optionalKey(PlainText),
  sealedSecret: Schema.optionalKey(SealedText)
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

const AcceptedRow = Schema.Struct({ id: DeliveryId })

export const WebhookRepositoryLive = Layer.effect(
  WebhookRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const webhooks = yield* makeTable({ table: "webhooks", resource: "webhook", schema: Webhook, key: "id" })
    const deliveries = yield* makeTable({ table: "deliveries", resource: "delivery", schema: DeliveryRow, key: "id" })
    const { sql } = webhooks
    const decodeTarget = decodeRows(Target)
    const decodePlain = decodeRows(PlainRow)
    const decodeAccepted = decodeRows(AcceptedRow)
    const webhookRow = toRow(Webhook)
    const deliveryRow = toRow(Delivery)

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
            const { sealedSecret: _sealed, secret: _plain, tenantId, ...webhook } = row
            return { tenantId, webhook, secret: yield* storedSecret(row) }
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
      accept: (tenantId, delivery) =>
        deliveries.run(
          tenantId,
          "accept",
          Effect.gen(function* () {
            const row = yield* deliveryRow(delivery)
            // A payload may be any JSON value, also a scalar, which `toRow` takes for a plain column.
            const columns = { ...row, payload: toJsonb(delivery.payload) }
            const inserted = yield* sql`
              insert into deliveries ${sql.insert({ ...columns, tenantId })}
              on conflict (tenant_id, webhook_id, external_id) do nothing returning id`
            if (inserted.length > 0) return { deliveryId: delivery.id, duplicate: false }
            const [first] = yield* decodeAccepted(
              yield* sql`
                select id from deliveries
                where webhook_id = ${delivery.webhookId} and external_id = ${storable(delivery.externalId)}`
            )
            return { deliveryId: first?.id ?? delivery.id, duplicate: true }
          })
        )
    })
  })
)
