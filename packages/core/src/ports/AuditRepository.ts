import type { AuditEntry, AuditFilter, AuditLine, AuditLink, AuditRecord } from "@devops-mcp/domain/Audit"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type DateTime, type Effect, type Option } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** The end of a tenant's chain. Its `seal` tells that it was we who put it there. */
export interface AuditHead extends AuditLink {
  readonly seal: string
  /** Of the last row, ISO 8601. */
  readonly recordedAt: string
  /** The first end that was found without a good seal; 0 when none was. */
  readonly unsealedSeq: number
}

/** The last row that retention has dropped: where the rows that are left begin. */
export interface AuditAnchor extends AuditLink {
  readonly seal: string
}

export interface AuditChain {
  readonly head: AuditHead
  readonly anchor: AuditAnchor
  /** A row beyond the head, if there is one: nothing that we wrote. */
  readonly stray: AuditPosition | undefined
}

/** Makes the rows that follow a head, and the head after them. */
export type AppendLinks = (
  tenantId: TenantId,
  head: AuditHead,
  entries: ReadonlyArray<AuditEntry>
) => Effect.Effect<{ readonly lines: ReadonlyArray<AuditLine>; readonly head: AuditHead }>

/** Seals the last row that is dropped. */
export type SealAnchor = (tenantId: TenantId, last: AuditLink) => Effect.Effect<string>

/** The seals of both ends of a chain. */
export interface AuditSeals {
  readonly head: string
  readonly anchor: string
}

/** Seals both ends anew; none when they are to stay as they are. */
export type Reseal = (
  tenantId: TenantId,
  head: AuditHead,
  anchor: AuditAnchor
) => Effect.Effect<Option.Option<AuditSeals>>

/** Up to where rows were read. */
export interface AuditPosition {
  readonly seq: number
  readonly id: string
}

/** Times at which rows were put on record, so that what lies between them is one piece of the chain. */
export interface AuditSpan {
  readonly since?: DateTime.Utc
  readonly until?: DateTime.Utc
}

/** Append-only: the application's database role cannot write, change or remove a row. */
export class AuditRepository extends Context.Service<
  AuditRepository,
  {
    /**
     * Puts entries of any tenants at the end of their chains, all or none; of several who do so at once each waits for
     * the one before. `again`: the same entries may be there already, as the answer to an earlier attempt was lost.
     */
    readonly append: (
      entries: ReadonlyArray<{ readonly tenantId: TenantId; readonly entry: AuditEntry }>,
      links: AppendLinks,
      again?: boolean
    ) => Effect.Effect<void, StoreError>
    /** Newest first. */
    readonly list: (
      tenantId: TenantId,
      request: PageRequest & AuditFilter
    ) => Effect.Effect<Page<AuditRecord>, CursorError | StoreError>
    readonly chain: (tenantId: TenantId) => Effect.Effect<AuditChain, StoreError>
    /** Gives the ends of a tenant's chain other seals, if `reseal` does, and tells whether it did. */
    readonly reseal: (tenantId: TenantId, reseal: Reseal) => Effect.Effect<boolean, StoreError>
    /** Rows after a position in the order of the chain, as they are, broken or not. */
    readonly lines: (
      tenantId: TenantId,
      after: AuditPosition,
      limit: number,
      span?: AuditSpan
    ) => Effect.Effect<ReadonlyArray<AuditLine>, StoreError>
    /**
     * Makes the partitions of this month and those ahead, and drops those that ended before `keepFrom`, leaving the
     * anchors. One of several who do so at once does it; answers what it dropped.
     */
    readonly upkeep: (
      now: DateTime.Utc,
      keepFrom: DateTime.Utc,
      seal: SealAnchor
    ) => Effect.Effect<ReadonlyArray<string>, StoreError>
  }
>()("@devops-mcp/core/ports/AuditRepository") {}
