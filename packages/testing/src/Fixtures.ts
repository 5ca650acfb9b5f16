import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect } from "effect"
import { SecureRandom } from "effect/crypto"

/** A fresh id of any branded kind. */
export const freshId = <A>(schema: { readonly make: (input: string) => A }): A =>
  schema.make(SecureRandom.uuidV7Unsafe())

/** A tenant of the test's own, so that tests share a database without seeing each other. */
export const freshTenant = Effect.gen(function* () {
  const tenants = yield* TenantRepository
  const tenant = yield* tenants.create({ id: freshId(TenantId), name: "test", createdAt: yield* DateTime.now })
  return tenant.id
})
