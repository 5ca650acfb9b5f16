import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule, Schema } from "effect"
import { FaultPlatform, makeFaultCluster } from "./FaultCluster.ts"
import { makeSender, repositories } from "./Sender.ts"

/** Deliveries on each kind of queue; the emulator of SQS manages some tens of messages a second. */
const deliveries = {
  postgres: Number(process.env["FAULTS_DELIVERIES"] ?? 500),
  sqs: Number(process.env["FAULTS_SQS_DELIVERIES"] ?? 100)
}

/** The emulator's time for each message grows with those that it has. */
const mostWaiting = { postgres: Infinity, sqs: 40 }

/** Amazon SQS is its emulator, behind a front that takes its faults away. */
const drivers: ReadonlyArray<"postgres" | "sqs"> =
  process.env["AWS_ENDPOINT_URL"] === undefined ? ["postgres"] : ["postgres", "sqs"]

/** Milliseconds that a scenario may take. */
const longest = 540_000 + 100 * Math.max(deliveries.postgres, deliveries.sqs)

/** The system is given so long to work again after a server has come back. */
const recovery = "30 seconds"

const Ready = Schema.Struct({
  checks: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String }))
})
const decodeReady = Schema.decodeUnknownSync(Ready)

const readiness = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/readyz`)
    const { checks } = decodeReady(await response.json())
    return {
      status: response.status,
      failing: checks.filter(({ status }) => status === "failing").map(({ name }) => name)
    }
  })

const memoryOf = (url: string) =>
  Effect.promise(async () => {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / 2 ** 20
  })

// They stop servers and kill programs, so they run by themselves: `npm run test:faults`.
describe.skipIf(process.env["FAULTS"] === undefined)("whatever breaks", () => {
  layer(FaultPlatform, { excludeTestServices: true, timeout: longest })((it) => {
    it.effect.each(drivers)(
      "jobs in %s: each accepted delivery has one event and one effect",
      (driver) =>
        Effect.gen(function* () {
          const count = deliveries[driver]
          const cluster = yield* makeFaultCluster(driver)
          const { address, api, apis, outage, query, vectors, workers } = cluster
          const { id, secret } = yield* api.webhooks.create({ payload: { source: "github", name: "faults" } })
          const processed = query((sql) =>
            Effect.map(
              sql<{ readonly count: number }>`select count(*)::int as count from events where status = 'processed'`,
              ([row]) => row?.count ?? 0
            )
          )
          const sender = yield* makeSender({
            count,
            secret,
            address: () => `${address()}/webhooks/${id}`,
            processed: Effect.orDie(processed),
            mostWaiting: mostWaiting[driver]
          })
          /** What is accepted from now on is worked on soon. */
          const recovers = Effect.fnUntraced(function* (from: string) {
            const before = yield* processed
            if (before >= count) return
            yield* processed.pipe(
              Effect.repeat({ schedule: Schedule.spaced("250 millis"), until: (now) => now > before }),
              Effect.timeoutOrElse({
                duration: recovery,
                orElse: () => Effect.die(new Error(`No event was processed after ${from}; there are ${before}`))
              })
            )
          })
          const at = yield* Effect.forEach([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], (part) =>
            sender.reached(Math.floor(count * part))
          )
          const when = (index: number) => at[index] ?? Effect.void
          const sending = yield* Effect.forkChild(sender.run)

          yield* when(0)
          yield* cluster.killWorker(0)
          yield* recovers("the kill of a worker")
          const memoryBefore = yield* Effect.forEach([...apis, ...workers], ({ url }) => memoryOf(url))

          yield* when(1)
          yield* vectors.be("failing")
          // Nothing is processed now, so the sender may be waiting.
          yield* Effect.raceFirst(when(2), Effect.sleep("10 seconds"))
          yield* vectors.be("slow")
          yield* recovers("the failures of the embeddings")
          yield* when(3)
          yield* vectors.be("good")
          yield* cluster.killApi(0)
          yield* recovers("the kill of an API")

          yield* when(4)
          yield* outage(
            "postgres",
            Effect.gen(function* () {
              const answer = yield* Effect.promise(() =>
                fetch(`${apis[0]?.url}/webhooks/${id}`, {
                  method: "POST",
                  body: "{}",
                  headers: { "content-type": "application/json" }
                })
              )
              assert.strictEqual(answer.status, 503)
              assert.isNotNull(answer.headers.get("retry-after"))
              const ready = yield* readiness(apis[0]?.url ?? "")
              assert.strictEqual(ready.status, 503)
              assert.include(ready.failing, "database")
              yield* Effect.sleep("3 seconds")
            })
          )
          yield* recovers("the outage of PostgreSQL")

          yield* when(5)
          yield* outage(
            "redis",
            Effect.gen(function* () {
              const before = (yield* sender.accepted).size
              const ready = yield* readiness(apis[0]?.url ?? "")
              assert.strictEqual(ready.status, 200)
              assert.include(ready.failing, "cache")
              yield* Effect.sleep("3 seconds")
              if (before < count) assert.isAbove((yield* sender.accepted).size, before)
              yield* recovers("the outage of Redis")
            })
          )

          yield* when(6)
          if (driver === "sqs") yield* outage("aws", Effect.sleep("5 seconds"))
          yield* recovers("the outage of SQS")
          yield* when(7)
          yield* cluster.killWorker(1)
          yield* recovers("the kill of the other worker")

          yield* Fiber.join(sending)
          const accepted = yield* sender.accepted
          assert.strictEqual(accepted.size, count)
          // A sender that was told 503 comes again; it was told nothing else.
          assert.includeMembers(["503", "no answer"], [...(yield* sender.refusals).keys()])

          yield* processed.pipe(
            Effect.repeat({ schedule: Schedule.spaced("500 millis"), until: (now) => now >= count }),
            Effect.timeout(longest)
          )
          const rows = yield* query(
            (sql) => sql<{
              readonly name: string
              readonly id: string
              readonly place: string
              readonly chunks: number
              readonly effects: number
            }>`
              select d.external_id as name, e.id::text as id, e.changed_xid::text as place,
                (select count(*)::int from chunks c where c.kind = 'event' and c.ref_id = e.id) as chunks,
                (select count(*)::int from idempotency i where i.key = 'delivery:' || d.id) as effects
              from deliveries d left join events e on e.delivery_id = d.id and e.status = 'processed'`
          )
          assert.strictEqual(rows.length, count)
          for (const row of rows) {
            assert.strictEqual(row.id, accepted.get(row.name), row.name)
            assert.deepStrictEqual([row.chunks, row.effects], [1, 1], row.name)
          }
          const letters = yield* query((sql) => sql`select job_id, error from dead_letters`)
          assert.deepStrictEqual(letters, [])

          if (driver === "sqs") {
            const places = new Map(rows.map(({ name, place }) => [name, BigInt(place)]))
            for (let repository = 0; repository < repositories; repository++) {
              for (let sequence = 1; sequence < count / repositories; sequence++) {
                const [earlier, later] = [
                  places.get(`r${repository}-${sequence - 1}`),
                  places.get(`r${repository}-${sequence}`)
                ]
                assert.isTrue(
                  earlier !== undefined && later !== undefined && earlier < later,
                  `r${repository}-${sequence}`
                )
              }
            }
          }
          const memoryAfter = yield* Effect.forEach([...apis, ...workers], ({ url }) => memoryOf(url))
          for (const mebibytes of [...memoryBefore, ...memoryAfter]) assert.isBelow(mebibytes, 700)
        }).pipe(Effect.scoped),
      longest
    )
  })
})
