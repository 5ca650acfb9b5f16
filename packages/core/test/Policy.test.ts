import { allows, authorize, scopeOfRisk, scopesOf } from "@devops-mcp/core/Policy"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import { type Principal, Role, Scope } from "@devops-mcp/domain/Principal"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const roles = Role.literals

const principalOf = (role: Role): Principal => ({
  tenantId: freshId(TenantId),
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: role,
  role,
  scopes: scopesOf(role)
})

describe("Policy", () => {
  it("gives each role exactly what the product says", () => {
    assert.deepStrictEqual(Object.fromEntries(roles.map((role) => [role, scopesOf(role).toSorted()])), {
      viewer: ["contexts:read", "events:read", "knowledge:read", "tools:read"],
      agent: ["contexts:read", "contexts:write", "events:read", "knowledge:read", "tools:execute", "tools:read"],
      operator: [
        "contexts:read",
        "contexts:write",
        "events:read",
        "knowledge:read",
        "knowledge:write",
        "queues:admin",
        "tools:destroy",
        "tools:execute",
        "tools:read",
        "webhooks:admin"
      ],
      admin: [
        "audit:read",
        "contexts:read",
        "contexts:write",
        "events:read",
        "keys:admin",
        "knowledge:read",
        "knowledge:write",
        "queues:admin",
        "tools:admin",
        "tools:destroy",
        "tools:execute",
        "tools:read",
        "webhooks:admin"
      ],
      platform: Scope.literals.toSorted()
    })
  })

  it("has each role include the ones before it, and none after it", () => {
    roles.forEach((role, rank) =>
      roles.forEach((other, otherRank) => {
        const hasAll = scopesOf(other).every((scope) => scopesOf(role).includes(scope))
        assert.strictEqual(hasAll, rank >= otherRank, `${role} may do all that ${other} may`)
      })
    )
  })

  it.effect("authorises what the scopes allow and names the scope that is missing", () =>
    Effect.forEach(roles, (role) =>
      Effect.forEach(
        Scope.literals,
        Effect.fnUntraced(function* (scope) {
          const principal = principalOf(role)
          if (allows(principal, scope)) return yield* authorize(principal, scope)
          const refused = yield* Effect.flip(authorize(principal, scope))
          assert.strictEqual(refused.requiredScope, scope)
        })
      )
    )
  )

  it("goes by the scopes a credential carries, not by its role", () => {
    assert.isFalse(allows({ ...principalOf("platform"), scopes: ["events:read"] }, "contexts:read"))
  })

  it("asks more of a riskier action", () => {
    const may = (risk: keyof typeof scopeOfRisk) => roles.filter((role) => scopesOf(role).includes(scopeOfRisk[risk]))
    assert.deepStrictEqual(may("read"), ["viewer", "agent", "operator", "admin", "platform"])
    assert.deepStrictEqual(may("write"), ["agent", "operator", "admin", "platform"])
    assert.deepStrictEqual(may("destructive"), ["operator", "admin", "platform"])
  })
})
