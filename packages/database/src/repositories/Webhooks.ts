import type { JobRow } from "@devops-mcp/core/ports/JobQueue"
import { type StoredSecret, WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { NotFound } from "@devops-mcp/domain/Errors"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { DateTime, Duration, Effect, Layer, Schema } from "effect"
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

const AcceptedRow = Schema.Struct({ deliveryId: DeliveryId, duplicate: Schema.Boolean })

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
    const decodeAccepted = decodeRows(AcceptedRow)
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
      accept: (tenantId, given, { rows, store }) => {
        const column = (of: (delivery: Delivery) => string | null) => textArray(given.map(of))
        const ofJobs = (of: (job: JobRow) => string | null) => textArray(rows.map(of))
        return tenancy.statement(
          tenantId,
          "deliveries.accept",
          Effect.flatMap(
            sql`
              select accepted_id as delivery_id, duplicate from accept_deliveries(
                ${tenantId}::uuid,
                ${column(({ id }) => id)}::uuid[],
                ${column(({ webhookId }) => webhookId)}::uuid[],
                ${column(({ source }) => source)},
                ${column(({ externalId }) => storable(externalId))},
                ${column(({ eventType }) => storable(eventType))},
                ${column(({ payload, payloadKey }) => (payloadKey === undefined ? jsonText(payload) : null))},
                ${column(({ payloadKey }) => payloadKey ?? null)},
                ${column(({ receivedAt }) => DateTime.formatIso(receivedAt))}::timestamptz[],
                ${store === "outbox"},
                ${ofJobs(({ id }) => id)},
                ${ofJobs(({ queue }) => queue)},
                ${ofJobs(({ group }) => group)},
                ${ofJobs(({ content }) => content)},
                ${ofJobs(({ traceparent }) => traceparent ?? null)},
                ${rows.map(({ delay }) => Duration.toSeconds(delay))}::float8[]
              )`,
            decodeAccepted
          )
        )
      }
    })
  })
)
