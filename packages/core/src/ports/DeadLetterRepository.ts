import type { QueueName } from "@devops-mcp/contract/Jobs"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { DeadLetterId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type DateTime, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

export interface DeadLetterPage extends PageRequest {
  /** Those that were discarded instead of those that wait for a decision. */
  readonly discarded?: boolean
}

/** Jobs that were given up. Each belongs to the tenant of its job, whichever queue it comes from. */
export class DeadLetterRepository extends Context.Service<
  DeadLetterRepository,
  {
    /** Keeps a job; without a tenant (nobody can read whose it is) it is the first tenant's. Again: the newer cause stays. */
    readonly put: (tenantId: TenantId | undefined, letter: DeadLetter) => Effect.Effect<void, StoreError>
    readonly get: (
      tenantId: TenantId,
      queue: QueueName,
      id: DeadLetterId
    ) => Effect.Effect<DeadLetter, NotFound | StoreError>
    readonly list: (
      tenantId: TenantId,
      queue: QueueName,
      page: DeadLetterPage
    ) => Effect.Effect<Page<DeadLetter>, CursorError | StoreError>
    /** How many wait for a decision, in the queues that have any. */
    readonly counts: (tenantId: TenantId) => Effect.Effect<ReadonlyMap<string, number>, StoreError>
    /** Removes those that wait and answers them, the oldest first: all without ids, after an id, `limit` at the most. */
    readonly takeOut: (
      tenantId: TenantId,
      queue: QueueName,
      options: { readonly ids?: ReadonlyArray<DeadLetterId>; readonly after?: DeadLetterId; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreError>
    /** Marks those that wait as discarded; answers how many. */
    readonly discard: (
      tenantId: TenantId,
      queue: QueueName,
      options: { readonly ids?: ReadonlyArray<DeadLetterId>; readonly reason: string; readonly at: DateTime.Utc }
    ) => Effect.Effect<number, StoreError>
    /** Removes what was discarded before the given time, of all tenants. */
    readonly sweep: (discardedBefore: DateTime.Utc) => Effect.Effect<number, StoreError>
  }
>()("@devops-mcp/core/ports/DeadLetterRepository") {}
