import type { PreparedJobs } from "@devops-mcp/core/ports/JobQueue"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DeliveryId, type TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { anySealedText, eventTime, freshId, freshTenant, outboxJobs } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Array, Duration, Effect, Exit, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const withWebhook = Effect.gen(function* () {
  const [webhooks, tenantId, id] = [yield* WebhookRepository, yield* freshTenant, freshId(WebhookId)]
  yield* webhooks.create(tenantId, { id, source: "github", name: "hook", createdAt: eventTime }, anySealedText)
  const newDelivery = (externalId: string): Delivery => ({
    id: freshId(DeliveryId),
    webhookId: id,
    source: "github",
    externalId,
    eventType: "push",
    payload: null,
    receivedAt: eventTime
  })
  return { tenantId, webhooks, newDelivery }
})

/** The ids of the tenant's deliveries, and of its jobs wherever they are. */
const written = Effect.fnUntraced(function* (tenantId: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const deliveries = yield* sql<{ readonly id: string }>`
    select id::text from deliveries where tenant_id = ${tenantId} order by id`
  const jobs = yield* sql<{ readonly id: string }>`
    select id from (
      select id, body from job_outbox union all select id, element from jobs
    ) as job (id, content) where content like ${`%${tenantId}%`} order by id`
  return { deliveries: deliveries.map(({ id }) => id), jobs: jobs.map(({ id }) => id) }
})

/** No connection still has a role or a tenant of before. */
const connectionsAreClean = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const state = sql<{ readonly role: string; readonly tenant: string | null }>`
    select current_user::text as role, nullif(current_setting('app.tenant_id', true), '') as tenant`
  const states = yield* Effect.replicateEffect(state, 30, { concurrency: "unbounded" })
  assert.isTrue(states.flat().every(({ role, tenant }) => role === "postgres" && tenant === null))
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })(
  "accepting deliveries by one statement",
  (it) => {
    it.effect.each(["jobs", "outbox"] as const)("writes the jobs of those that are new, into the %s", (store) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { newDelivery, tenantId, webhooks } = yield* withWebhook
        const known = newDelivery("known")
        yield* webhooks.accept(tenantId, [known], outboxJobs(tenantId, [known]))
        const given = ["b", "known", "a", "a"].map(newDelivery)
        const jobs: PreparedJobs = { ...outboxJobs(tenantId, given), store }
        const rows = jobs.rows.map((row, at) => ({
          ...row,
          group: `group ${at}`,
          delay: Duration.minutes(at),
          traceparent: at === 0 ? undefined : "trace"
        }))
        yield* webhooks.accept(tenantId, given, { ...jobs, rows })
        const found =
          store === "outbox"
            ? yield* sql`
              select id, queue, group_key, body, traceparent, sent_at,
                round(extract(epoch from available_at - now()) / 60)::int as minutes
              from job_outbox where body like ${`%${tenantId}%`} and id <> ${`delivery:${known.id}`} order by sequence`
            : yield* sql`
              select id, queue_name as queue, element as body, state, attempts, acquired_at,
                round(extract(epoch from visible_at - now()::timestamp) / 60)::int as minutes
              from jobs where element like ${`%${tenantId}%`} order by sequence`
        const own = { outbox: { sentAt: null }, jobs: { state: "pending", attempts: 0, acquiredAt: null } }
        const ofGroup = (at: number) =>
          store === "outbox" ? { groupKey: `group ${at}`, traceparent: at === 0 ? null : "trace" } : {}
        assert.deepStrictEqual(
          found,
          [0, 2].map((at) => ({
            id: `delivery:${given[at]!.id}`,
            queue: "deliveries",
            body: rows[at]!.content,
            minutes: at,
            ...ofGroup(at),
            ...own[store]
          }))
        )
      })
    )

    it.effect("leaves neither role nor tenant on its connection, whatever becomes of it", () =>
      Effect.gen(function* () {
        const { newDelivery, tenantId, webhooks } = yield* withWebhook
        yield* Effect.forEach(
          Array.range(1, 24),
          (n) => {
            const delivery = { ...newDelivery(String(n)), ...(n % 2 === 0 ? { webhookId: freshId(WebhookId) } : {}) }
            return Effect.exit(webhooks.accept(tenantId, [delivery], outboxJobs(tenantId, [delivery])))
          },
          { concurrency: "unbounded" }
        )
        assert.strictEqual((yield* written(tenantId)).deliveries.length, 12)
        yield* connectionsAreClean
      })
    )

    it.effect("is a part of the transaction that is running, and of no other tenant's", () =>
      Effect.gen(function* () {
        const transactions = yield* Transactions
        const { newDelivery, tenantId, webhooks } = yield* withWebhook
        const delivery = newDelivery("a")
        const accept = webhooks.accept(tenantId, [delivery], outboxJobs(tenantId, [delivery]))
        yield* Effect.flip(transactions.run(tenantId, Effect.andThen(accept, Effect.fail("rolled back"))))
        assert.isTrue(Exit.hasDies(yield* Effect.exit(transactions.run(yield* freshTenant, accept))))
        assert.deepStrictEqual(yield* written(tenantId), { deliveries: [], jobs: [] })
        yield* transactions.run(tenantId, accept)
        assert.deepStrictEqual(yield* written(tenantId), {
          deliveries: [delivery.id],
          jobs: [`delivery:${delivery.id}`]
        })
      })
    )

    it.effect("that is interrupted at any moment has written a delivery with its job, or neither", () =>
      Effect.gen(function* () {
        const { newDelivery, tenantId, webhooks } = yield* withWebhook
        const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        const answered = yield* Effect.forEach(
          Array.range(0, 39),
          Effect.fnUntraced(function* (turns) {
            const delivery = newDelivery(String(turns))
            const running = yield* Effect.forkChild(
              webhooks.accept(tenantId, [delivery], outboxJobs(tenantId, [delivery]))
            )
            yield* Effect.replicateEffect(turn, turns, { discard: true })
            yield* Fiber.interrupt(running)
            return Exit.isSuccess(yield* Fiber.await(running)) ? [delivery.id] : []
          }),
          { concurrency: 4 }
        )
        const { deliveries, jobs } = yield* written(tenantId)
        assert.includeMembers(deliveries, answered.flat())
        assert.deepStrictEqual(
          jobs,
          deliveries.map((id) => `delivery:${id}`)
        )
        yield* connectionsAreClean
      })
    )
  }
)
