import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type DateTime, type Effect, type Option } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** API keys by the hash of their secret; the secret itself is never stored. */
export class ApiKeyRepository extends Context.Service<
  ApiKeyRepository,
  {
    /** Stores the key unless its hash is there already, in which case it answers false. */
    readonly create: (tenantId: TenantId, key: ApiKey, hash: string) => Effect.Effect<boolean, StoreError>
    readonly get: (tenantId: TenantId, id: ApiKeyId) => Effect.Effect<ApiKey, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<ApiKey>, CursorError | StoreError>
    /** Marks the key as revoked; it stays listed, with the time. */
    readonly revoke: (tenantId: TenantId, id: ApiKeyId, now: DateTime.Utc) => Effect.Effect<void, NotFound | StoreError>
    /** Finds a key of any tenant, revoked and expired ones too. */
    readonly findByHash: (
      hash: string
    ) => Effect.Effect<Option.Option<{ readonly tenantId: TenantId; readonly key: ApiKey }>, StoreError>
  }
>()("@devops-mcp/core/ports/ApiKeyRepository") {}
