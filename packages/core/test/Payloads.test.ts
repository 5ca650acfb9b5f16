import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { longestInlineBody, payloadKeyOf } from "@devops-mcp/core/webhooks/Payloads"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { EventId } from "@devops-mcp/domain/Ids"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Ref } from "effect"
import { SqlClient } from "effect/sql"
import { Objects, signed, UseCases } from "./Fakes.ts"

/** A push of so many bytes, some of which are of characters of two. */
const pushOf = (bytes: number) => {
  const push = (message: string) =>
    JSON.stringify({
      ref: "refs/heads/main",
      repository: { full_name: "octo/shop" },
      sender: { login: "mona" },
      head_commit: { message, id: "0123abc" },
      commits: [{ message: "Mend the lathe", id: "0123abc" }]
    })
  const empty = new TextEncoder().encode(push("")).length
  const room = bytes - empty
  return push("é".repeat(Math.floor(room / 2)) + "x".repeat(room % 2))
}

const hooked = Effect.gen(function* () {
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
  const tenantId = yield* freshTenant
  const webhooks = yield* Webhooks
  const { secret, webhook } = yield* webhooks.create(tenantId, { source: "github", name: "ours" })
  const receive = Effect.fnUntraced(function* (body: string, delivery = "d-1") {
    return yield* webhooks.receive(webhook.id, yield* signed(secret, body, delivery, "push"), body)
  })
  const keys = yield* Objects
  const objectsOfTenant = () => [...keys.keys()].filter((key) => key.startsWith(`deliveries/${tenantId}/`))
  return { tenantId, secret, webhook, receive, objectsOfTenant }
})

const ingestNext = Effect.gen(function* () {
  const [queue, ingest] = [yield* JobQueue, yield* Ingest]
  yield* queue.take("deliveries", {
    run: (job, metadata) => (job._tag === "RunTask" ? Effect.void : ingest.run(job, metadata))
  })
})

const notedOf = (tenantId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 from delivery_objects where tenant_id = ${tenantId}`)

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("payloads of deliveries", (it) => {
  it.effect("are in the row up to 64 KiB, in an object from one byte more, and make the same event", () =>
    Effect.gen(function* () {
      const { objectsOfTenant, receive, tenantId } = yield* hooked
      const repository = yield* WebhookRepository
      const events = yield* EventRepository
      const [inline, large] = [pushOf(longestInlineBody), pushOf(longestInlineBody + 1)]
      const small = yield* receive(inline, "small")
      assert.deepStrictEqual(objectsOfTenant(), [])
      const big = yield* receive(large, "big")
      const key = payloadKeyOf(tenantId, big.deliveryId)
      assert.deepStrictEqual(objectsOfTenant(), [key])
      assert.strictEqual(new TextDecoder().decode((yield* Objects).get(key)), large)
      assert.strictEqual((yield* notedOf(tenantId)).length, 1)
      const stored = yield* repository.getDelivery(tenantId, big.deliveryId)
      assert.deepStrictEqual([stored.payload, stored.payloadKey], [null, key])
      assert.deepStrictEqual((yield* repository.getDelivery(tenantId, small.deliveryId)).payload, JSON.parse(inline))
      yield* Effect.andThen(ingestNext, ingestNext)
      const [a, b] = yield* Effect.forEach([small, big], ({ deliveryId }) =>
        events.get(tenantId, EventId.make(deliveryId))
      )
      assert.strictEqual(b?.status, "processed")
      assert.deepStrictEqual([b?.title, b?.repository], [a?.title, "octo/shop"])
    })
  )

  it.effect("leave no object of a repeat, nor of what is refused", () =>
    Effect.gen(function* () {
      const { objectsOfTenant, receive, secret, tenantId, webhook } = yield* hooked
      const large = pushOf(100_000)
      const { deliveryId } = yield* receive(large)
      assert.deepStrictEqual(yield* receive(large), { deliveryId, status: "duplicate" })
      assert.deepStrictEqual(objectsOfTenant(), [payloadKeyOf(tenantId, deliveryId)])
      const webhooks = yield* Webhooks
      const forged = yield* signed(Redacted.make("another secret"), large, "d-2")
      yield* Effect.flip(webhooks.receive(webhook.id, forged, large))
      yield* Effect.flip(receive(`${large}x`, "d-3"))
      const unnamed = { ...(yield* signed(secret, large, "d-4")), "x-github-delivery": undefined }
      yield* Effect.flip(webhooks.receive(webhook.id, unnamed, large))
      assert.strictEqual(objectsOfTenant().length, 1)
    })
  )

  it.effect("are accepted once of many at once, with one object left", () =>
    Effect.gen(function* () {
      const { objectsOfTenant, receive, tenantId } = yield* hooked
      const answers = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, n) => pushOf(70_000 + n)),
        (body) => receive(body),
        { concurrency: "unbounded" }
      )
      const accepted = answers.filter(({ status }) => status === "accepted")
      assert.strictEqual(accepted.length, 1)
      assert.deepStrictEqual(objectsOfTenant(), [payloadKeyOf(tenantId, accepted[0]!.deliveryId)])
      assert.strictEqual((yield* notedOf(tenantId)).length, 8)
    })
  )

  it.effect("that cannot be put leave no delivery, and what a lost transaction left is known", () =>
    Effect.gen(function* () {
      const { objectsOfTenant, secret, tenantId, webhook } = yield* hooked
      const body = pushOf(100_000)
      const headers = yield* signed(secret, body, "d-1", "push")
      const failing = new ObjectStoreError({ operation: "put", retryable: true, cause: "down" })
      const receiveWith = <R>(changed: Layer.Layer<R>) =>
        Effect.flatMap(Webhooks, (webhooks) => webhooks.receive(webhook.id, headers, body)).pipe(
          Effect.provide(Layer.fresh(Webhooks.layer).pipe(Layer.provide(changed))),
          Effect.exit
        )
      const notPut = yield* receiveWith(Layer.mock(ObjectStore, { put: () => Effect.fail(failing) }))
      assert.isTrue(notPut._tag === "Failure")
      const lost = yield* receiveWith(
        Layer.succeed(WebhookRepository, {
          ...(yield* WebhookRepository),
          accept: () => Effect.die("The connection is lost")
        })
      )
      assert.isTrue(lost._tag === "Failure")
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select 1 from deliveries where tenant_id = ${tenantId}`, [])
      assert.strictEqual(objectsOfTenant().length, 1)
      assert.strictEqual((yield* notedOf(tenantId)).length, 2)
    })
  )

  it.effect("that are lost fail the job, which tells so in the end", () =>
    Effect.gen(function* () {
      const { receive, tenantId } = yield* hooked
      const { deliveryId } = yield* receive(pushOf(100_000))
      yield* (yield* ObjectStore).delete(payloadKeyOf(tenantId, deliveryId))
      const ingest = yield* Ingest
      const queue = yield* JobQueue
      const ended = yield* Ref.make<unknown>(undefined)
      yield* queue.take("deliveries", {
        run: (job, metadata) =>
          job._tag === "RunTask"
            ? Effect.void
            : Effect.flatMap(Effect.exit(ingest.run(job, metadata)), (exit) => Ref.set(ended, exit))
      })
      assert.include(String(yield* Ref.get(ended)), "is not in the object store")
    })
  )
})
