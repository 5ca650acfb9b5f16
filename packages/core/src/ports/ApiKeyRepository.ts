import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type DateTime, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** What is stored of a secret: an id under which it is looked up, which says nothing of the rest, and a hash of it all. */
export interface KeyProof {
  readonly lookupId: string
  /** `sha256` is what earlier versions stored; `hmac-sha256` takes a pepper that is not in the database. */
  readonly scheme: "sha256" | "hmac-sha256"
  readonly hash: string
}

/** A key as it is stored, with whose it is. */
export interface StoredKey {
  readonly tenantId: TenantId
  readonly key: ApiKey
  readonly proof: KeyProof
}

/** API keys by the lookup ids of their secrets; the secrets themselves are never stored. */
export class ApiKeyRepository extends Context.Service<
  ApiKeyRepository,
  {
    /** Stores the key unless its lookup id is taken, in which case it answers false. */
    readonly create: (tenantId: TenantId, key: ApiKey, proof: KeyProof) => Effect.Effect<boolean, StoreError>
    readonly get: (tenantId: TenantId, id: ApiKeyId) => Effect.Effect<ApiKey, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<ApiKey>, CursorError | StoreError>
    /** Marks the key as revoked; it stays listed, with the time. */
    readonly revoke: (tenantId: TenantId, id: ApiKeyId, now: DateTime.Utc) => Effect.Effect<void, NotFound | StoreError>
    /** Finds keys of any tenant, revoked and expired ones too; at most one for each lookup id. */
    readonly find: (lookupIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<StoredKey>, StoreError>
    /** Notes when the key was used, unless a use less than `apiKeyUseInterval` before is noted. */
    readonly markUsed: (tenantId: TenantId, id: ApiKeyId, at: DateTime.Utc) => Effect.Effect<void, StoreError>
    /** Stores the key in another way, if it still is stored as it was found. */
    readonly renew: (found: StoredKey, proof: KeyProof, prefix: string) => Effect.Effect<void, StoreError>
  }
>()("@devops-mcp/core/ports/ApiKeyRepository") {}
