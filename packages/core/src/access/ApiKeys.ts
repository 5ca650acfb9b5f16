import type { CreateApiKey } from "@devops-mcp/contract/AccessApi"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { type Forbidden, InvalidInput, type NotFound } from "@devops-mcp/domain/Errors"
import { ApiKeyId, type TenantId } from "@devops-mcp/domain/Ids"
import { type Principal, Role } from "@devops-mcp/domain/Principal"
import type { Tenant } from "@devops-mcp/domain/Tenant"
import { Context, DateTime, Effect, Layer, type Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { makeNewId } from "../NewId.ts"
import { allows, authorize, scopesOf } from "../Policy.ts"
import { ApiKeyRepository } from "../ports/ApiKeyRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { generateApiKey, makeApiKeySecrets } from "./ApiKeySecret.ts"
import { makeFirstTenant } from "./FirstTenant.ts"
import { Revocations } from "./Revocations.ts"

/** A key with its secret, which cannot be read again. */
export interface IssuedKey {
  readonly key: ApiKey
  readonly secret: Redacted.Redacted
}

/** What a key is to be. */
export type KeyGrant = Pick<ApiKey, "name" | "role" | "scopes" | "expiresAt">

const rankOf = (role: Role) => Role.literals.indexOf(role)

/** What a grant has beyond its role, or beyond whoever gives it: a token may have fewer scopes than its role. */
const excessOf = (grant: KeyGrant, giver: Principal | undefined): InvalidInput | undefined => {
  const { role, scopes = scopesOf(role) } = grant
  const strange = scopes.find((scope) => !scopesOf(role).includes(scope))
  if (strange !== undefined) {
    return new InvalidInput({ pointer: "/scopes", detail: `The role '${role}' does not have the scope '${strange}'` })
  }
  if (giver === undefined) return undefined
  if (rankOf(role) > rankOf(giver.role)) {
    return new InvalidInput({
      pointer: "/role",
      detail: `A caller with the role '${giver.role}' cannot give the role '${role}'`
    })
  }
  const lacking = scopes.find((scope) => !allows(giver, scope))
  if (lacking === undefined) return undefined
  return new InvalidInput({
    pointer: grant.scopes === undefined ? "/role" : "/scopes",
    detail: `A caller without the scope '${lacking}' cannot give it`
  })
}

/** Gives out and takes back API keys. Nobody gives a role beyond their own, or to another tenant unless `platform`. */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    readonly create: (
      principal: Principal,
      input: typeof CreateApiKey.Type
    ) => Effect.Effect<IssuedKey, Forbidden | InvalidInput | NotFound | StoreError>
    /** The tenant that the first key belongs to; made by whoever asks first. */
    readonly firstTenant: Effect.Effect<Tenant, StoreError>
    /** For who holds the machine and needs no credential: issues a key of the first tenant. */
    readonly issue: (
      grant: KeyGrant
    ) => Effect.Effect<IssuedKey & { readonly tenant: Tenant }, InvalidInput | StoreError>
    /** The same for a tenant that is known; joins the transaction it is called in. */
    readonly issueTo: (tenantId: TenantId, name: string, role: Role) => Effect.Effect<IssuedKey, StoreError>
    /** Makes a given secret a key of the first tenant, unless it is one already, be it revoked. */
    readonly ensure: (name: string, role: Role, secret: Redacted.Redacted) => Effect.Effect<Tenant, StoreError>
    /** Has the key refused by every replica: by those that the bus reaches at once, by the others within a second. */
    readonly revoke: (tenantId: TenantId, id: ApiKeyId) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/access/ApiKeys") {
  static readonly layer = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const repository = yield* ApiKeyRepository
      const tenants = yield* TenantRepository
      const secrets = yield* makeApiKeySecrets
      const revocations = yield* Revocations
      const newId = yield* makeNewId
      const firstTenant = yield* makeFirstTenant
      const generate = Effect.provideService(
        generateApiKey,
        SecureRandom.SecureRandom,
        yield* SecureRandom.SecureRandom
      )

      const store = Effect.fnUntraced(function* (
        tenantId: TenantId,
        grant: KeyGrant,
        secret: Redacted.Redacted,
        origin: "made" | "given"
      ) {
        const { prefix, proof } = yield* secrets.present(secret)
        const key: ApiKey = { ...grant, id: yield* newId(ApiKeyId), prefix, createdAt: yield* DateTime.now }
        yield* repository.create(tenantId, key, proof(origin))
        return { key, secret }
      })

      const make = Effect.fnUntraced(function* (tenantId: TenantId, grant: KeyGrant) {
        return yield* store(tenantId, grant, yield* generate, "made")
      })

      const validate = Effect.fnUntraced(function* (grant: KeyGrant, giver?: Principal) {
        const excess = excessOf(grant, giver)
        if (excess !== undefined) return yield* excess
        if (grant.expiresAt !== undefined && DateTime.isLessThanOrEqualTo(grant.expiresAt, yield* DateTime.now)) {
          return yield* new InvalidInput({ pointer: "/expiresAt", detail: "The expiry is in the past" })
        }
      })

      const create = Effect.fn("ApiKeys.create")(function* (principal: Principal, input: typeof CreateApiKey.Type) {
        const { tenantId = principal.tenantId, ...grant } = input
        yield* validate(grant, principal)
        if (tenantId !== principal.tenantId) {
          yield* authorize(principal, "tenants:admin")
          yield* tenants.get(tenantId)
        }
        return yield* make(tenantId, grant)
      })

      const issueTo = Effect.fn("ApiKeys.issueTo")(function* (tenantId: TenantId, name: string, role: Role) {
        return yield* make(tenantId, { name, role })
      })

      const issue = Effect.fn("ApiKeys.issue")(function* (grant: KeyGrant) {
        yield* validate(grant)
        const tenant = yield* firstTenant
        return { tenant, ...(yield* make(tenant.id, grant)) }
      })

      const ensure = Effect.fn("ApiKeys.ensure")(function* (name: string, role: Role, secret: Redacted.Redacted) {
        const tenant = yield* firstTenant
        const { lookupIds, proves } = yield* secrets.present(secret)
        const stored = yield* repository.find(lookupIds)
        if (!stored.some(({ proof }) => proves(proof))) yield* store(tenant.id, { name, role }, secret, "given")
        return tenant
      })

      const revoke = Effect.fn("ApiKeys.revoke")(function* (tenantId: TenantId, id: ApiKeyId) {
        yield* repository.revoke(tenantId, id, yield* DateTime.now)
        yield* revocations.announce(id)
      })

      return ApiKeys.of({ create, firstTenant, issue, issueTo, ensure, revoke })
    })
  )
}
