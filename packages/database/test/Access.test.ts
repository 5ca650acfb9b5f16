import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { TenantId, ToolId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Layer } from "effect"

const TestLayer = Layer.mergeAll(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
const later = DateTime.add(now, { days: 1 })

const newTool = (name: string) => ({
  id: freshId(ToolId),
  name,
  kind: "git",
  config: { root: "/srv" },
  version: 1,
  createdAt: now,
  updatedAt: now
})

const newTenant = () => ({ id: freshId(TenantId), name: "first", createdAt: now })

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("access", (it) => {
  it.effect("everybody who asks for the first tenant gets the same one", () =>
    Effect.gen(function* () {
      const tenants = yield* TenantRepository
      const answers = yield* Effect.forEach(
        Array.from({ length: 24 }, newTenant),
        (candidate) => tenants.first(candidate),
        { concurrency: "unbounded" }
      )
      const [first] = answers
      assert.isTrue(answers.every((answer) => answer.id === first?.id))
      assert.deepStrictEqual(yield* tenants.first(newTenant()), first)
      if (first !== undefined) assert.deepStrictEqual(yield* tenants.get(first.id), first)
    })
  )

  it.effect("lists tenants newest first", () =>
    Effect.gen(function* () {
      const tenants = yield* TenantRepository
      const made = yield* Effect.forEach(Array.from({ length: 3 }, newTenant), (tenant) => tenants.create(tenant))
      const page = yield* tenants.list({ limit: 2 })
      assert.deepStrictEqual(page.items, made.toReversed().slice(0, 2))
      const rest = yield* tenants.list({ limit: 1, cursor: page.nextCursor ?? "" })
      assert.deepStrictEqual(rest.items, made.slice(0, 1))
      assert.strictEqual(
        (yield* Effect.flip(tenants.get(freshId(TenantId))))._tag,
        "@devops-mcp/domain/Errors/NotFound"
      )
      const refused = yield* Effect.flip(tenants.list({ limit: 1, cursor: "x" }))
      assert.strictEqual(refused._tag, "@devops-mcp/core/ports/Cursor/CursorError")
    })
  )

  it.effect("one of many concurrent claims wins, and none after it", () =>
    Effect.gen(function* () {
      const idempotency = yield* IdempotencyRepository
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const claims = yield* Effect.forEach(Array.from({ length: 24 }), () => idempotency.claim(mine, "job", now), {
        concurrency: "unbounded"
      })
      assert.strictEqual(claims.filter((won) => won).length, 1)
      assert.isFalse(yield* idempotency.claim(mine, "job", later))
      assert.isTrue(yield* idempotency.claim(theirs, "job", now))
      assert.isTrue(yield* idempotency.claim(mine, "odd\0", now))
      assert.isFalse(yield* idempotency.claim(mine, "odd\0", now))
    })
  )

  it.effect("a claim that was rolled back goes to who waits for it", () =>
    Effect.gen(function* () {
      const idempotency = yield* IdempotencyRepository
      const transactions = yield* Transactions
      const tenant = yield* freshTenant
      const claimed = yield* Deferred.make<void>()
      const decided = yield* Deferred.make<void>()
      const failing = yield* Effect.forkChild(
        transactions.run(
          tenant,
          Effect.gen(function* () {
            assert.isTrue(yield* idempotency.claim(tenant, "job", now))
            yield* Deferred.succeed(claimed, undefined)
            yield* Deferred.await(decided)
            return yield* Effect.fail("the work did not succeed")
          })
        )
      )
      yield* Deferred.await(claimed)
      const waiting = yield* Effect.forkChild(idempotency.claim(tenant, "job", later), { startImmediately: true })
      yield* Deferred.succeed(decided, undefined)
      assert.strictEqual(yield* Effect.flip(Fiber.join(failing)), "the work did not succeed")
      assert.isTrue(yield* Fiber.join(waiting))
      assert.isFalse(yield* idempotency.claim(tenant, "job", later))
    })
  )

  it.effect("a tool's name is taken once in a tenant", () =>
    Effect.gen(function* () {
      const tools = yield* ToolRepository
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const attempts = yield* Effect.forEach(
        Array.from({ length: 24 }, () => newTool("git")),
        (tool) => Effect.exit(tools.create(mine, tool)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(attempts.filter((exit) => exit._tag === "Success").length, 1)
      const conflict = yield* Effect.flip(tools.create(mine, newTool("git")))
      assert.strictEqual(conflict._tag, "@devops-mcp/domain/Errors/Conflict")
      assert.strictEqual(conflict.message, "There is a tool named 'git'")
      yield* tools.create(theirs, newTool("git"))
      yield* tools.delete(mine, "git")
      yield* tools.create(mine, newTool("git"))
      assert.strictEqual((yield* tools.list(mine, { limit: 10 })).items.length, 1)
    })
  )

  it.effect("changes only the version of a tool that the caller has read", () =>
    Effect.gen(function* () {
      const tools = yield* ToolRepository
      const tenant = yield* freshTenant
      const tool = yield* tools.create(tenant, newTool("git"))
      const config = { roots: ["/a", null], "": { "\0": 1 } }
      const changed = yield* tools.update(tenant, "git", { config }, later, 1)
      const expected = { ...tool, config: { roots: ["/a", null], "": { "\uFFFD": 1 } }, version: 2, updatedAt: later }
      assert.deepStrictEqual(changed, expected)
      assert.deepStrictEqual(yield* tools.get(tenant, "git"), expected)
      const stale = yield* Effect.flip(tools.update(tenant, "git", { config: {} }, later, 1))
      assert.strictEqual(stale._tag, "@devops-mcp/domain/Errors/StaleVersion")
      assert.strictEqual((yield* tools.update(tenant, "git", {}, later)).version, 3)
      for (const name of ["svn", "git\0", "GIT", ""]) {
        const missing = yield* Effect.flip(tools.update(tenant, name, {}, later, 1))
        assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
        assert.strictEqual((yield* Effect.flip(tools.get(tenant, name)))._tag, "@devops-mcp/domain/Errors/NotFound")
      }
    })
  )
})
