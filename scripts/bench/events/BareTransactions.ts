/**
 * What accepting a delivery is compared with: its rows in one transaction, a statement for those of the delivery and one for
 * the job, by the client library that the server has, and nothing else. A process of its own. `POST /run` writes for a while
 * as many at once as it is asked to, and says how many it has written; `/metrics` tells what the process uses.
 */
import * as Client from "@devops-mcp/database/Client"
import { Clock, Effect, Layer, Logger, ManagedRuntime, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { announce, processMetrics } from "../ProcessMetrics.ts"
import { BareOrder, jobName, percentileOf, type Written } from "./BareRows.ts"

const decode = Schema.decodeEffect(Schema.fromJsonString(BareOrder))

/** Writes one delivery's rows. */
const writeOne = Effect.fnUntraced(function* ({ payload, queue, tenantId, webhookId }: BareOrder) {
  const sql = yield* SqlClient.SqlClient

  const job =
    queue === "sqs"
      ? (id: string) => sql`
          insert into job_outbox (queue, id, group_key, body, available_at)
          values (${jobName}, ${`delivery:${id}`}, ${id}, ${`{"deliveryId":"${id}"}`}, now())
          on conflict (queue, id) do nothing`
      : (id: string) => sql`
          insert into jobs (id, queue_name, element, state, attempts, visible_at, created_at, updated_at)
          values (${`delivery:${id}`}, ${jobName}, ${`{"deliveryId":"${id}"}`}, 'pending', 0, now(), now(), now())
          on conflict (id, queue_name) do nothing`

  const id = SecureRandom.uuidV7Unsafe()
  yield* sql.withTransaction(
    Effect.andThen(
      sql`
          with key as (
            insert into delivery_keys (tenant_id, webhook_id, external_id, delivery_id, received_at)
            values (${tenantId}, ${webhookId}, ${id}, ${id}, now())
            on conflict (tenant_id, webhook_id, external_id) do nothing returning *
          )
          insert into deliveries (id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at)
          select delivery_id, tenant_id, webhook_id, 'github', external_id, 'push', ${payload}::jsonb, received_at
          from key`,
      job(id)
    )
  )
})

const writeMany = Effect.fnUntraced(function* (order: BareOrder) {
  const { atOnce, milliseconds } = order
  const clock = yield* Clock.Clock
  const latencies: Array<number> = []
  const startedAt = clock.currentTimeMillisUnsafe()
  const one = Effect.gen(function* () {
    while (clock.currentTimeMillisUnsafe() - startedAt < milliseconds) {
      const before = clock.currentTimeNanosUnsafe()
      yield* writeOne(order)
      latencies.push(Number(clock.currentTimeNanosUnsafe() - before) / 1e6)
    }
  })
  yield* Effect.replicateEffect(one, atOnce, { concurrency: "unbounded", discard: true })
  const seconds = (clock.currentTimeMillisUnsafe() - startedAt) / 1000
  return {
    perSecond: latencies.length / seconds,
    written: latencies.length,
    p50: percentileOf(latencies, 0.5)
  } satisfies Written
})

const one = (body: string) => Effect.flatMap(decode(body), writeOne)
const many = (body: string) => Effect.flatMap(decode(body), writeMany)

const runtime = ManagedRuntime.make(Layer.merge(Client.layer(), Logger.layer([])))

announce(
  createServer((request, response) => {
    const answer = async () =>
      request.url === "/metrics"
        ? processMetrics()
        : request.url === "/one"
          ? runtime.runPromise(Effect.as(one(await text(request)), "written"))
          : JSON.stringify(await runtime.runPromise(many(await text(request))))
    answer().then(
      (body) => response.writeHead(200, { "content-type": "application/json" }).end(body),
      (error) => response.writeHead(500).end(String(error))
    )
  })
)
