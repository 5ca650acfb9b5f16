import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { NotFound } from "@devops-mcp/domain/Errors"
import { DeliveryId, TenantId, type WebhookId } from "@devops-mcp/domain/Ids"
import { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { Effect, Layer, Redacted, Schema } from "effect"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

const Target = Schema.Struct({
  ...Webhook.fields,
  tenantId: TenantId,
  secret: Schema.RedactedFromValue(Schema.String)
})

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
            yield* sql`insert into webhooks ${sql.insert({ ...row, tenantId, secret: Redacted.value(secret) })}`
            return webhook
          })
        ),
      target: (id: WebhookId) =>
        tenancy.system(
          "webhooks.target",
          Effect.gen(function* () {
            const [row] = yield* decodeTarget(yield* sql`select * from webhooks where id = ${id}`)
            if (row === undefined) return yield* new NotFound({ resource: "webhook", id })
            const { secret, tenantId, ...webhook } = row
            return { tenantId, webhook, secret }
          })
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
