import { ToolId } from "@devops-mcp/domain/Ids"
import type { Tenant } from "@devops-mcp/domain/Tenant"
import { Context, DateTime, Effect, Layer, Option, type Redacted } from "effect"
import { makeNewId } from "../NewId.ts"
import { ApiKeyRepository } from "../ports/ApiKeyRepository.ts"
import { IdempotencyRepository } from "../ports/IdempotencyRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"
import { Transactions } from "../ports/Transactions.ts"
import { ApiKeys } from "./ApiKeys.ts"

/** Makes a new installation usable: a first tenant, a first key, and the tools that need no configuration. */
export class Bootstrap extends Context.Service<
  Bootstrap,
  {
    /** Has the given key work with the role `platform`. Safe to repeat, and by several replicas at once. */
    readonly withKey: (secret: Redacted.Redacted) => Effect.Effect<void, StoreError>
    /** Makes a random first key when nobody has one yet; answers it this once, to one of several replicas. */
    readonly firstKey: Effect.Effect<Option.Option<Redacted.Redacted>, StoreError>
  }
>()("@devops-mcp/core/access/Bootstrap") {
  static readonly layer = Layer.effect(
    Bootstrap,
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const keyRepository = yield* ApiKeyRepository
      const tools = yield* ToolRepository
      const idempotency = yield* IdempotencyRepository
      const transactions = yield* Transactions
      const newId = yield* makeNewId

      /** A step of the very first start: taken once ever, and taken again if it did not come to its end. */
      const once = <A, E>(tenant: Tenant, step: string, effect: Effect.Effect<A, E>) =>
        transactions.run(
          tenant.id,
          Effect.gen(function* () {
            const first = yield* idempotency.claim(tenant.id, `bootstrap:${step}`, yield* DateTime.now)
            return first ? Option.some(yield* effect) : Option.none()
          })
        )

      /** The first tenant gets the git tool; which repositories it reads is the operator's `GIT_ROOTS`. */
      const addGit = Effect.fnUntraced(function* (tenant: Tenant) {
        const now = yield* DateTime.now
        const git = tools.create(tenant.id, {
          id: yield* newId(ToolId),
          name: "git",
          kind: "git",
          config: {},
          version: 1,
          createdAt: now,
          updatedAt: now
        })
        yield* once(tenant, "git", git).pipe(Effect.catchTag("@devops-mcp/domain/Errors/Conflict", () => Effect.void))
      })

      const withKey = Effect.fn("Bootstrap.withKey")(function* (secret: Redacted.Redacted) {
        yield* addGit(yield* keys.ensure("bootstrap", "platform", secret))
      })

      const hasKeys = (tenant: Tenant) =>
        keyRepository.list(tenant.id, { limit: 1 }).pipe(
          Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die),
          Effect.map((page) => page.items.length > 0)
        )

      const firstKey = Effect.gen(function* () {
        const tenant = yield* keys.firstTenant
        yield* addGit(tenant)
        if (yield* hasKeys(tenant)) return Option.none()
        const issued = yield* once(tenant, "first key", keys.issueTo(tenant.id, "first key", "platform"))
        return Option.map(issued, ({ secret }) => secret)
      }).pipe(Effect.withSpan("Bootstrap.firstKey"))

      return Bootstrap.of({ withKey, firstKey })
    })
  )
}
