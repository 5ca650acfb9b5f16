import { ToolId } from "@devops-mcp/domain/Ids"
import type { Tenant } from "@devops-mcp/domain/Tenant"
import { Context, DateTime, Effect, Layer, Option, type Redacted } from "effect"
import { makeNewId } from "../NewId.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"
import { ApiKeys } from "./ApiKeys.ts"

/** Makes a new installation usable: a first tenant, a first key, and the tools that need no configuration. */
export class Bootstrap extends Context.Service<Bootstrap, {
  /** Has the given key work with the role `platform`. Safe to repeat, and by several replicas at once. */
  readonly withKey: (secret: Redacted.Redacted) => Effect.Effect<void, StoreError>
  /** Makes a random first key when there is no tenant yet; answers it this once. */
  readonly firstKey: Effect.Effect<Option.Option<Redacted.Redacted>, StoreError>
}>()("@devops-mcp/core/access/Bootstrap") {
  static readonly layer = Layer.effect(
    Bootstrap,
    Effect.gen(function*() {
      const keys = yield* ApiKeys
      const tenants = yield* TenantRepository
      const tools = yield* ToolRepository
      const newId = yield* makeNewId

      /** The first tenant gets the git tool; which repositories it reads is the operator's `GIT_ROOTS`. */
      const addGit = Effect.fnUntraced(function*(tenant: Tenant) {
        const now = yield* DateTime.now
        yield* tools.create(tenant.id, {
          id: yield* newId(ToolId),
          name: "git",
          kind: "git",
          config: {},
          version: 1,
          createdAt: now,
          updatedAt: now
        }).pipe(Effect.catchTag("@devops-mcp/domain/Errors/Conflict", () => Effect.void))
      })

      const isFresh = Effect.map(tenants.count, (count) => count === 0)

      const withKey = Effect.fn("Bootstrap.withKey")(function*(secret: Redacted.Redacted) {
        const fresh = yield* isFresh
        const tenant = yield* keys.ensure("bootstrap", "platform", secret)
        if (fresh) yield* addGit(tenant)
      })

      const firstKey = Effect.gen(function*() {
        if (!(yield* isFresh)) return Option.none()
        const { secret, tenant } = yield* keys.issue("first key", "platform")
        yield* addGit(tenant)
        return Option.some(secret)
      }).pipe(Effect.withSpan("Bootstrap.firstKey"))

      return Bootstrap.of({ withKey, firstKey })
    })
  )
}
