import type { CreateApiKey } from "@devops-mcp/contract/AccessApi"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { type Forbidden, InvalidInput, type NotFound } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal, Role } from "@devops-mcp/domain/Principal"
import type { Tenant } from "@devops-mcp/domain/Tenant"
import { Context, DateTime, Effect, Layer, type Redacted } from "effect"
import { makeNewId } from "../NewId.ts"
import { allows, authorize, scopesOf } from "../Policy.ts"
import { ApiKeyRepository } from "../ports/ApiKeyRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { makeApiKeySecrets } from "./ApiKeySecret.ts"

/** Name of the tenant that the first key belongs to. */
const firstTenantName = "default"

/** A key with its secret, which cannot be read again. */
export interface IssuedKey {
  readonly key: ApiKey
  readonly secret: Redacted.Redacted
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
    readonly issue: (name: string, role: Role) => Effect.Effect<IssuedKey & { readonly tenant: Tenant }, StoreError>
    /** The same for a tenant that is known; joins the transaction it is called in. */
    readonly issueTo: (tenantId: TenantId, name: string, role: Role) => Effect.Effect<IssuedKey, StoreError>
    /** Makes a given secret a key of the first tenant, unless it is one already. */
    readonly ensure: (name: string, role: Role, secret: Redacted.Redacted) => Effect.Effect<Tenant, StoreError>
    readonly revoke: (tenantId: TenantId, id: ApiKeyId) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/access/ApiKeys") {
  static readonly layer = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const repository = yield* ApiKeyRepository
      const tenants = yield* TenantRepository
      const secrets = yield* makeApiKeySecrets
      const newId = yield* makeNewId

      const store = Effect.fnUntraced(function* (
        tenantId: TenantId,
        fields: Pick<ApiKey, "name" | "role" | "expiresAt">,
        secret: Redacted.Redacted
      ) {
        const key: ApiKey = { ...fields, id: yield* newId(ApiKeyId), createdAt: yield* DateTime.now }
        yield* repository.create(tenantId, key, yield* secrets.hash(secret))
        return { key, secret }
      })

      const create = Effect.fn("ApiKeys.create")(function* (principal: Principal, input: typeof CreateApiKey.Type) {
        const { tenantId = principal.tenantId, ...fields } = input
        // A token may have fewer scopes than its role, so the scopes count: nobody gives away more than they have.
        if (!scopesOf(input.role).every((scope) => allows(principal, scope))) {
          return yield* new InvalidInput({
            pointer: "/role",
            detail: `A caller with the role '${principal.role}' cannot give the role '${input.role}'`
          })
        }
        if (tenantId !== principal.tenantId) {
          yield* authorize(principal, "tenants:admin")
          yield* tenants.get(tenantId)
        }
        if (fields.expiresAt !== undefined && DateTime.isLessThanOrEqualTo(fields.expiresAt, yield* DateTime.now)) {
          return yield* new InvalidInput({ pointer: "/expiresAt", detail: "The expiry is in the past" })
        }
        return yield* store(tenantId, fields, yield* secrets.generate)
      })

      const firstTenant = Effect.gen(function* () {
        return yield* tenants.first({
          id: yield* newId(TenantId),
          name: firstTenantName,
          createdAt: yield* DateTime.now
        })
      }).pipe(Effect.withSpan("ApiKeys.firstTenant"))

      const issueTo = Effect.fn("ApiKeys.issueTo")(function* (tenantId: TenantId, name: string, role: Role) {
        return yield* store(tenantId, { name, role }, yield* secrets.generate)
      })

      const issue = Effect.fn("ApiKeys.issue")(function* (name: string, role: Role) {
        const tenant = yield* firstTenant
        return { tenant, ...(yield* issueTo(tenant.id, name, role)) }
      })

      const ensure = Effect.fn("ApiKeys.ensure")(function* (name: string, role: Role, secret: Redacted.Redacted) {
        const tenant = yield* firstTenant
        yield* store(tenant.id, { name, role }, secret)
        return tenant
      })

      const revoke = Effect.fn("ApiKeys.revoke")(function* (tenantId: TenantId, id: ApiKeyId) {
        yield* repository.revoke(tenantId, id, yield* DateTime.now)
      })

      return ApiKeys.of({ create, firstTenant, issue, issueTo, ensure, revoke })
    })
  )
}
