import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, type Effect } from "effect"
import type { SealedText } from "../secrets/SealedText.ts"
import type { StoreError } from "./StoreError.ts"

/** A column that holds sealed texts. */
export interface SealedColumn {
  readonly table: string
  readonly column: string
}

/** What a row has in such a column. */
export interface SealedValue {
  readonly id: string
  readonly sealed: string
}

/** Sealed secrets wherever they are stored, for who renews their keys. */
export class SealedValues extends Context.Service<
  SealedValues,
  {
    /** Every column with sealed texts; one that is missing here is not renewed and one day not readable. */
    readonly columns: ReadonlyArray<SealedColumn>
    /** The tenant's next values, by id, that do not begin with the prefix. */
    readonly outdated: (
      tenantId: TenantId,
      column: SealedColumn,
      options: { readonly newestPrefix: string; readonly after: string | undefined; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<SealedValue>, StoreError>
    /** Puts the new texts in the places of the old ones; answers in how many rows, for others have another value by now. */
    readonly replace: (
      tenantId: TenantId,
      column: SealedColumn,
      values: ReadonlyArray<SealedValue & { readonly renewed: SealedText }>
    ) => Effect.Effect<number, StoreError>
  }
>()("@devops-mcp/core/ports/SealedValues") {}
