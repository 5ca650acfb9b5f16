import { Forbidden } from "@devops-mcp/domain/Errors"
import type { Principal, Role, Scope } from "@devops-mcp/domain/Principal"
import type { Risk } from "@devops-mcp/domain/Tool"
import { Effect } from "effect"

/** What each role adds to the one before it. The one place where permissions are written. */
const grants: ReadonlyArray<readonly [Role, ReadonlyArray<Scope>]> = [
  ["viewer", ["contexts:read", "knowledge:read", "events:read", "tools:read"]],
  ["agent", ["contexts:write", "tools:execute"]],
  ["operator", ["tools:destroy", "webhooks:admin", "queues:admin", "knowledge:write"]],
  ["admin", ["tools:admin", "keys:admin", "audit:read"]],
  ["platform", ["tenants:admin"]]
]

/** Every scope of a role, its own and those of the roles that it includes. */
export const scopesOf = (role: Role): ReadonlyArray<Scope> =>
  grants.slice(0, grants.findIndex(([name]) => name === role) + 1).flatMap(([, scopes]) => scopes)

export const allows = (principal: Principal, scope: Scope): boolean => principal.scopes.includes(scope)

export const authorize = (principal: Principal, scope: Scope): Effect.Effect<void, Forbidden> =>
  allows(principal, scope) ? Effect.void : Effect.fail(new Forbidden({ requiredScope: scope }))

/** What running an action of this risk takes. */
export const scopeOfRisk: Record<Risk, Scope> = {
  read: "tools:read",
  write: "tools:execute",
  destructive: "tools:destroy"
}
