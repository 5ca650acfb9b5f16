import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ApiKeyId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { type Attempts, attempts, beyondTenants } from "./IsolationAttempts.ts"
import { fill, makeRows, snapshot } from "./IsolationRows.ts"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const portPrefix = "@devops-mcp/core/ports/"

/** The same services, which note which of their methods are reached for. */
const watching = <R>(context: Context.Context<R>) => {
  const methods = new Set<string>()
  const used = new Set<string>()
  const services = [...context.mapUnsafe].map(
    ([key, service]: readonly [string, unknown]): readonly [string, unknown] => {
      if (!key.startsWith(portPrefix) || typeof service !== "object" || service === null) return [key, service]
      const port = key.slice(portPrefix.length)
      for (const [name, value] of Object.entries(service)) {
        if (typeof value === "function" || Effect.isEffect(value)) methods.add(`${port}.${name}`)
      }
      const watched = new Proxy(service, {
        get: (target, name) => {
          used.add(`${port}.${String(name)}`)
          return Reflect.get(target, name)
        }
      })
      return [key, watched]
    }
  )
  return { context: Context.makeUnsafe<R>(new Map(services)), methods, used }
}

const tried = <E, R>(all: Attempts, check: (name: string, attempt: Attempts[string]) => Effect.Effect<void, E, R>) =>
  Effect.forEach(Object.entries(all), ([name, attempt]) => check(name, attempt), { discard: true })

const notFound = "@devops-mcp/domain/Errors/NotFound"

const Choice = Schema.Struct({
  kind: Schema.Literals(["missing", "empty", "refused", "own"]),
  method: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
})

layer(TestLayer, { excludeTestServices: true, timeout: "120 seconds" })("another tenant's ids", (it) => {
  it.effect("lead no method to a row, and change nothing", () =>
    Effect.gen(function* () {
      const { empty, missing, own, refused } = yield* attempts
      const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
      const rows = makeRows()
      yield* fill(owner, rows)
      const before = yield* snapshot(owner)
      assert.deepStrictEqual(
        before.filter((table) => table.rows.length === 0).map(({ name }) => name),
        []
      )
      const failing = (tag: string) => (name: string, attempt: Attempts[string]) =>
        Effect.map(Effect.flip(attempt(intruder, rows)), (failure) => assert.strictEqual(failure._tag, tag, name))
      yield* tried(missing, failing(notFound))
      yield* tried(empty, (name, attempt) =>
        Effect.map(attempt(intruder, rows), (found) => assert.deepStrictEqual(found, [], name))
      )
      yield* tried(refused, failing("@devops-mcp/core/ports/StoreError"))
      yield* tried(own, (_, attempt) => Effect.asVoid(attempt(intruder, rows)))
      assert.deepStrictEqual(yield* snapshot(owner), before)
    })
  )

  it.effect("are what hides the rows: with its own, each of the methods works", () =>
    Effect.gen(function* () {
      const { empty, missing } = yield* attempts
      const transactions = yield* Transactions
      const owner = yield* freshTenant
      const rows = makeRows()
      yield* fill(owner, rows)
      /** What an attempt answers, and whether it changed anything; it is undone. */
      const tryOut = (attempt: Attempts[string]) =>
        Effect.gen(function* () {
          const before = yield* snapshot(owner)
          const found = yield* Effect.mapError(attempt(owner, rows), ({ _tag }) => ({
            _tag: "Failed" as const,
            why: _tag
          }))
          const isChanged = JSON.stringify(yield* snapshot(owner)) !== JSON.stringify(before)
          return yield* Effect.fail({ _tag: "Undone" as const, found, isChanged })
        }).pipe((undone) => transactions.run(owner, undone), Effect.flip)
      yield* tried(missing, (name, attempt) =>
        Effect.map(tryOut(attempt), ({ _tag }) => assert.strictEqual(_tag, "Undone", name))
      )
      yield* tried(empty, (name, attempt) =>
        Effect.map(tryOut(attempt), (undone) => {
          const isFound =
            undone._tag === "Undone" && (undone.isChanged || (Array.isArray(undone.found) && undone.found.length > 0))
          assert.isTrue(isFound, name)
        })
      )
    })
  )

  it.effect("are tried with every method of every repository", () =>
    Effect.gen(function* () {
      const { context, methods, used } = watching(yield* Effect.context<Layer.Success<typeof RepositoriesLive>>())
      const all = yield* Effect.provide(attempts, context)
      const tenant = yield* freshTenant
      const rows = makeRows()
      yield* fill(tenant, rows)
      yield* Effect.forEach(Object.values(all).flatMap(Object.values<Attempts[string]>), (attempt) =>
        Effect.result(attempt(tenant, rows))
      )
      const covered = new Set([...used, ...Object.keys(beyondTenants)])
      assert.isAbove(methods.size, 60)
      assert.deepStrictEqual(
        [...methods].filter((method) => !covered.has(method)),
        []
      )
      assert.deepStrictEqual(
        Object.keys(beyondTenants).filter((method) => used.has(method) || !methods.has(method)),
        []
      )
    })
  )

  it.effect.prop(
    "change nothing in whichever order they are used, for an intruder with such rows of its own",
    { choices: Schema.Array(Choice).check(Schema.isMaxLength(12)) },
    ({ choices }) =>
      Effect.gen(function* () {
        const kinds = yield* attempts
        const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
        const rows = makeRows()
        yield* fill(owner, rows)
        yield* fill(intruder, makeRows())
        const before = yield* snapshot(owner)
        for (const { kind, method } of choices) {
          const methods = Object.values(kinds[kind])
          const attempt = methods[method % methods.length]
          if (attempt !== undefined) yield* Effect.result(attempt(intruder, rows))
        }
        assert.deepStrictEqual(yield* snapshot(owner), before)
      }),
    { arbitrary: { runs: 15 } }
  )

  it.effect("tell of a key only that its lookup id is taken", () =>
    Effect.gen(function* () {
      const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
      const rows = makeRows()
      yield* fill(owner, rows)
      const key = { ...rows.key, id: freshId(ApiKeyId) }
      assert.isFalse(yield* (yield* ApiKeyRepository).create(intruder, key, rows.proof))
    })
  )
})
