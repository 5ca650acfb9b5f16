import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { DeadLetterId, TenantId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
const page = { limit: 200 }

const letterOf = (jobId: string, more: Partial<DeadLetter> = {}): DeadLetter => ({
  id: freshId(DeadLetterId),
  queue: "deliveries",
  jobId,
  type: "IngestDelivery",
  error: "The model refused",
  attempts: 8,
  redrives: 0,
  payload: { _tag: "IngestDelivery" },
  failedAt: now,
  ...more
})

/** A tenant with so many letters in the queue of deliveries, the oldest first. */
const withLetters = Effect.fnUntraced(function* (count: number) {
  const repository = yield* DeadLetterRepository
  const tenantId = yield* freshTenant
  const letters = Array.from({ length: count }, (_, n) => letterOf(`job-${n}`))
  yield* Effect.forEach(letters, (letter) => repository.put(tenantId, letter))
  return { repository, tenantId, letters }
})

const idsOf = (letters: ReadonlyArray<DeadLetter>) => letters.map(({ id }) => id)

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("DeadLetterRepository", (it) => {
  it.effect("keeps a letter as it is, whatever JSON its payload is", () =>
    Effect.gen(function* () {
      const { repository, tenantId } = yield* withLetters(0)
      const payloads = [{ a: [1, null, { b: "ü" }] }, null, "no JSON at all", [], 7, false]
      for (const [n, payload] of payloads.entries()) {
        const letter = letterOf(`job-${n}`, { payload, group: "repository", redrives: n })
        yield* repository.put(tenantId, letter)
        assert.deepStrictEqual(yield* repository.get(tenantId, "deliveries", letter.id), letter)
      }
      const odd = letterOf("odd", { error: "a\0b\uD800c", payload: { "\0": "\uD800" } })
      yield* repository.put(tenantId, odd)
      const stored = yield* repository.get(tenantId, "deliveries", odd.id)
      assert.deepStrictEqual([stored.error, stored.payload], ["a\uFFFDb\uFFFDc", { "\uFFFD": "\uFFFD" }])
    })
  )

  it.effect("keeps one letter of a job: the newer cause replaces the older, and its discarding", () =>
    Effect.gen(function* () {
      const { repository, tenantId } = yield* withLetters(0)
      const first = letterOf("job")
      yield* repository.put(tenantId, first)
      yield* repository.discard(tenantId, "deliveries", { reason: "Obsolete", at: now })
      const again = letterOf("job", {
        error: "Other",
        attempts: 2,
        redrives: 1,
        failedAt: DateTime.add(now, { days: 1 })
      })
      yield* repository.put(tenantId, again)
      const { items } = yield* repository.list(tenantId, "deliveries", page)
      assert.deepStrictEqual(items, [{ ...again, id: first.id }])
      // The same id in another queue is another job.
      yield* repository.put(tenantId, letterOf("job", { queue: "tasks" }))
      assert.deepStrictEqual(
        yield* repository.counts(tenantId),
        new Map([
          ["deliveries", 1],
          ["tasks", 1]
        ])
      )
    })
  )

  it.effect("lists the newest first, in pages, those of one queue that wait or those that were discarded", () =>
    Effect.gen(function* () {
      const { letters, repository, tenantId } = yield* withLetters(5)
      yield* repository.put(tenantId, letterOf("elsewhere", { queue: "documents" }))
      const newestFirst = idsOf(letters).toReversed()
      const first = yield* repository.list(tenantId, "deliveries", { limit: 2 })
      assert.deepStrictEqual(idsOf(first.items), newestFirst.slice(0, 2))
      const cursor = first.nextCursor ?? ""
      const second = yield* repository.list(tenantId, "deliveries", { limit: 3, cursor })
      assert.deepStrictEqual([idsOf(second.items), second.nextCursor], [newestFirst.slice(2), null])
      const bad = yield* Effect.flip(repository.list(tenantId, "deliveries", { limit: 2, cursor: "x" }))
      assert.strictEqual(bad._tag, "@devops-mcp/core/ports/Cursor/CursorError")

      const [oldest = letterOf("none")] = letters
      assert.strictEqual(
        yield* repository.discard(tenantId, "deliveries", { ids: [oldest.id], reason: "Obsolete", at: now }),
        1
      )
      const discarded = yield* repository.list(tenantId, "deliveries", { ...page, discarded: true })
      assert.deepStrictEqual(discarded.items, [{ ...oldest, discardedAt: now, discardReason: "Obsolete" }])
      const waiting = yield* repository.list(tenantId, "deliveries", page)
      assert.deepStrictEqual(idsOf(waiting.items), newestFirst.slice(0, 4))
      assert.strictEqual((yield* repository.counts(tenantId)).get("deliveries"), 4)
    })
  )

  it.effect("finds a letter under its own queue's name only", () =>
    Effect.gen(function* () {
      const { letters, repository, tenantId } = yield* withLetters(1)
      for (const { id } of letters) {
        const missing = yield* Effect.flip(repository.get(tenantId, "tasks", id))
        assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
        assert.deepStrictEqual(yield* repository.takeOut(tenantId, "tasks", { ids: [id], limit: 1 }), [])
        assert.strictEqual(yield* repository.discard(tenantId, "tasks", { ids: [id], reason: "r", at: now }), 0)
      }
    })
  )

  it.effect("gives letters away, the oldest first: some by their ids, or all in several goes", () =>
    Effect.gen(function* () {
      const { letters, repository, tenantId } = yield* withLetters(6)
      const [a, b, c, d, e, f] = letters
      if (!a || !b || !c || !d || !e || !f) return yield* Effect.die("There are six")
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { ids: [], limit: 9 }), [])
      const ids = [freshId(DeadLetterId), d.id, b.id]
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { ids, limit: 9 }), [b, d])
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { ids, limit: 9 }), [])
      yield* repository.discard(tenantId, "deliveries", { ids: [e.id], reason: "r", at: now })
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { limit: 1 }), [a])
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { after: c.id, limit: 9 }), [f])
      assert.deepStrictEqual(yield* repository.takeOut(tenantId, "deliveries", { limit: 9 }), [c])
      const { items } = yield* repository.list(tenantId, "deliveries", { ...page, discarded: true })
      assert.deepStrictEqual(idsOf(items), [e.id])
    })
  )

  it.effect("gives each letter to one of many that ask at once", () =>
    Effect.gen(function* () {
      const { letters, repository, tenantId } = yield* withLetters(20)
      const taken = yield* Effect.forEach(
        Array.from({ length: 12 }),
        () => repository.takeOut(tenantId, "deliveries", { limit: 3 }),
        { concurrency: "unbounded" }
      )
      const rest = yield* repository.takeOut(tenantId, "deliveries", { limit: 20 })
      assert.deepStrictEqual(idsOf([...taken.flat(), ...rest]).toSorted(), idsOf(letters))
    })
  )

  it.effect("sweeps what was discarded before a time, of all tenants, and nothing that waits", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* withLetters(2), yield* withLetters(2)]
      for (const { letters, repository, tenantId } of [one, other]) {
        const [early, late] = idsOf(letters)
        if (early === undefined || late === undefined) return yield* Effect.die("There are two")
        yield* repository.discard(tenantId, "deliveries", { ids: [early], reason: "r", at: now })
        const at = DateTime.add(now, { seconds: 2 })
        yield* repository.discard(tenantId, "deliveries", { ids: [late], reason: "r", at })
        yield* repository.put(tenantId, letterOf("waiting"))
      }
      const { repository } = one
      yield* repository.sweep(DateTime.add(now, { seconds: 1 }))
      for (const { letters, tenantId } of [one, other]) {
        const { items } = yield* repository.list(tenantId, "deliveries", { ...page, discarded: true })
        assert.deepStrictEqual(idsOf(items), idsOf(letters).slice(1))
        assert.strictEqual((yield* repository.counts(tenantId)).get("deliveries"), 1)
      }
      assert.isAtLeast(yield* repository.sweep(DateTime.add(now, { days: 1 })), 2)
      assert.strictEqual(yield* repository.sweep(DateTime.add(now, { days: 1 })), 0)
    })
  )

  it.effect("refuses a letter of a tenant that is none, and no other attempt would help", () =>
    Effect.gen(function* () {
      const repository = yield* DeadLetterRepository
      const failure = yield* Effect.flip(repository.put(freshId(TenantId), letterOf("job")))
      assert.isFalse(failure.retryable)
    })
  )
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })(
  "a letter that nobody can tell the owner of",
  (it) => {
    it.effect("is dropped where there is no tenant, else it is the first one's", () =>
      Effect.gen(function* () {
        const [repository, tenants] = [yield* DeadLetterRepository, yield* TenantRepository]
        yield* repository.put(undefined, letterOf("before"))
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`select id from dead_letters`, [])
        const first = yield* tenants.first({ id: freshId(TenantId), name: "first", createdAt: now })
        const second = yield* freshTenant
        const letter = letterOf("ownerless", { type: "unknown", payload: "{" })
        yield* repository.put(undefined, letter)
        assert.deepStrictEqual(yield* repository.get(first.id, "deliveries", letter.id), letter)
        assert.strictEqual((yield* repository.counts(second)).size, 0)
      })
    )
  }
)
