import { TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect } from "effect"
import { makeNewId } from "../NewId.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"

/** Name of the tenant that the first key belongs to. */
const firstTenantName = "default"

/** The tenant that the first key belongs to; made by whoever asks first. */
export const makeFirstTenant = Effect.gen(function* () {
  const tenants = yield* TenantRepository
  const newId = yield* makeNewId
  return Effect.gen(function* () {
    return yield* tenants.first({
      id: yield* newId(TenantId),
      name: firstTenantName,
      createdAt: yield* DateTime.now
    })
  }).pipe(Effect.withSpan("FirstTenant"))
})
