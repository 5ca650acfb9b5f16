import { Api } from "@devops-mcp/contract/Api"
import { type Permission, Requires } from "@devops-mcp/contract/Authorization"
import { assert, layer } from "@effect/vitest"
import { Array, Context, Effect, Option, Order, Predicate, Schema } from "effect"
import { HttpApi } from "effect/http-api"
import { type Holder, makeTeam, Platform, send, type Team } from "./permissions/Platform.ts"
import { routeSamples, type Sample } from "./permissions/Samples.ts"

interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
}

const Operation = Schema.Struct({
  operationId: Schema.String,
  security: Schema.optionalKey(Schema.Array(Schema.JsonObject))
})
const Document = Schema.fromJsonString(
  Schema.Struct({ paths: Schema.Record(Schema.String, Schema.Record(Schema.String, Operation)) })
)

/** Every operation that the running server documents. */
const operations = Effect.gen(function* () {
  const { text } = yield* send({ key: undefined }, { method: "GET", path: "/openapi.json" })
  const { paths } = yield* Schema.decodeEffect(Document)(text)
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId, security }]) => ({
      name: operationId,
      method: method.toUpperCase(),
      path,
      isOpen: security?.length === 0
    }))
  )
})

/** What each endpoint of the contract says it requires. */
const permissions = new Map<string, Permission>()
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    const required = Context.getOption(endpoint.annotations, Requires)
    if (Option.isSome(required)) permissions.set(`${group.identifier}.${endpoint.identifier}`, required.value)
  }
})

const permissionOf = ({ name }: Route) => permissions.get(name)

const sampleOf = (route: Route, { ids, mark }: Team): Effect.Effect<Sample> => {
  const sample = routeSamples[route.name]
  return sample === undefined
    ? Effect.die(new Error(`There is no sample of ${route.name}: add one to permissions/Samples.ts`))
    : Effect.succeed(sample(ids, mark))
}

/** Calls a route as a holder, with what the owner has. */
const call = Effect.fnUntraced(function* (holder: Holder, route: Route, owner: Team) {
  const { json, params = {}, query = "" } = yield* sampleOf(route, owner)
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""))
  // OpenAPI writes methods as HTTP does.
  const method = route.method as Parameters<typeof send>[1]["method"]
  return yield* send(holder, { method, path: `${path}${query}`, ...(json === undefined ? {} : { json }) })
})

const callAll = (holders: ReadonlyArray<Holder>, route: Route, owner: Team) =>
  Effect.forEach(holders, (holder) => Effect.map(call(holder, route, owner), (answer) => [holder, answer] as const), {
    concurrency: "unbounded"
  })

const holds = ({ scopes = [] }: Holder, permission: Permission) =>
  permission === "any" || (permission !== "signature" && scopes.includes(permission))

/** What the policy table says of a caller of its own tenant; undefined: anything but a refusal or a failure. */
const expected = (holder: Holder, permission: Permission): number | undefined => {
  if (permission === "signature" || holder.scopes === undefined) return 401
  return holds(holder, permission) ? undefined : 403
}

const check = (said: string, status: number, wanted: number | undefined) => {
  if (wanted === undefined) {
    assert.isBelow(status, 500, said)
    assert.notInclude([401, 403], status, said)
  } else {
    assert.strictEqual(status, wanted, said)
  }
}

const removesLast = Order.mapInput(Order.Boolean, ({ method }: Route) => method === "DELETE")

const guardedRoutes = Effect.map(operations, (all) =>
  Array.sort(
    all.flatMap((route) => {
      const permission = permissionOf(route)
      return permission === undefined ? [] : [{ ...route, permission }]
    }),
    removesLast
  )
)

const stringsIn = (json: unknown): ReadonlyArray<string> =>
  Predicate.isObject(json) ? Object.values(json).filter(Predicate.isString) : []

/** What a whole tenant administration may see of other tenants: that is what it is for. */
const isOfAllTenants = (permission: Permission) => permission === "tenants:admin"

layer(Platform, { excludeTestServices: true, timeout: "120 seconds" })("permissions", (it) => {
  it.effect(
    "are declared by every route of the OpenAPI document that is not open to everybody",
    () =>
      Effect.gen(function* () {
        const all = yield* operations
        assert.isAbove(all.length, 40)
        const undeclared = all.filter((route) => permissionOf(route) === undefined)
        for (const { isOpen, method, name, path } of undeclared) {
          assert.isTrue(isOpen, `${name} declares no permission and is not open`)
          const { status } = yield* send({ key: undefined }, { method: "GET", path })
          assert.strictEqual(method, "GET", name)
          assert.isBelow(status, 500, name)
        }
        assert.sameMembers(
          all.filter((route) => permissionOf(route) !== undefined).map(({ name }) => name),
          [...permissions.keys()]
        )
      }),
    120_000
  )

  it.effect(
    "are none of who has no valid credential",
    () =>
      Effect.gen(function* () {
        const team = yield* makeTeam("alpha")
        for (const route of yield* guardedRoutes) {
          for (const [nobody, { headers, status, text }] of yield* callAll(team.nobodies, route, team)) {
            const said = `${route.name} with ${nobody.name}: ${text}`
            assert.strictEqual(status, 401, said)
            assert.strictEqual(headers["content-type"], "application/problem+json", said)
            assert.notInclude(text, team.mark, said)
          }
        }
      }),
    120_000
  )

  it.effect(
    "are those of the role, on every route",
    () =>
      Effect.gen(function* () {
        const team = yield* makeTeam("beta")
        for (const route of yield* guardedRoutes) {
          for (const [holder, { status, text }] of yield* callAll(team.holders, route, team)) {
            check(`${route.name} as ${holder.name}: ${status} ${text}`, status, expected(holder, route.permission))
            if (status === 403) assert.notInclude(text, team.mark)
          }
        }
      }),
    120_000
  )

  it.effect(
    "end at the tenant: others find nothing under its ids, see nothing of it, and change nothing",
    () =>
      Effect.gen(function* () {
        const owner = yield* makeTeam("gamma")
        const other = yield* makeTeam("delta")
        const routes = (yield* guardedRoutes).filter(({ permission }) => !isOfAllTenants(permission))
        for (const route of routes) {
          const asIfOwn = { ...owner, mark: other.mark }
          const sample = yield* sampleOf(route, asIfOwn)
          for (const [holder, { status, text }] of yield* callAll(other.holders, route, asIfOwn)) {
            const said = `${route.name} as ${holder.name} of another tenant: ${status} ${text}`
            const allowed = expected(holder, route.permission)
            check(
              said,
              status,
              allowed === undefined && sample.params !== undefined && sample.isShared !== true ? 404 : allowed
            )
            // A caller may be told again what it asked for itself; its own audit log says all that it asked for.
            const asked = route.name.startsWith("audit.")
              ? Object.values(owner.ids)
              : [...Object.values(sample.params ?? {}), ...stringsIn(sample.json)]
            assert.notInclude(
              asked.reduce((rest, part) => rest.replaceAll(part, ""), text),
              owner.mark,
              said
            )
          }
        }
        for (const route of routes.filter(({ method, path }) => method === "GET" && path.includes("{"))) {
          const { status, text } = yield* call(owner.admin, route, owner)
          // Tasks and their results are their caller's own, even in the same tenant.
          assert.strictEqual(status, route.name === "tasks.get" ? 404 : 200, `${route.name}: ${text}`)
        }
      }),
    120_000
  )
})
