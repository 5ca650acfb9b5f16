import type { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { Context, type Effect, type Option } from "effect"

/** A resource as `resources/list` shows it. */
export interface ResourceEntry {
  readonly uri: string
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly mimeType?: string
  readonly size?: number
}

export interface ResourceTemplate {
  /** RFC 6570, level 1. */
  readonly uriTemplate: string
  readonly name: string
  readonly title: string
  readonly description: string
  readonly mimeType?: string
}

/** `blob` is base64. */
export type ResourceContents = { readonly uri: string; readonly mimeType: string } & (
  | { readonly text: string }
  | { readonly blob: string }
)

/** Resources of one kind. Every method is asked only when the caller has the scope. */
export interface ResourceSource {
  /** Part of the cursor, so stable and unique. */
  readonly name: string
  /** `any` when the source itself tells what belongs to whom. */
  readonly scope: Scope | "any"
  readonly template: ResourceTemplate | undefined
  /** A page in a stable order; the cursor is the source's own. */
  readonly list: (
    principal: Principal,
    page: { readonly limit: number; readonly cursor?: string }
  ) => Effect.Effect<
    { readonly items: ReadonlyArray<ResourceEntry>; readonly nextCursor: string | null },
    StoreError | CursorError
  >
  /** None when the URI is not of this source; `Some(None)` when it is, and there is nothing. */
  readonly read: (
    principal: Principal,
    uri: string
  ) => Option.Option<Effect.Effect<Option.Option<ReadonlyArray<ResourceContents>>, StoreError>>
  /** Values for a variable of the template that go with what is typed, best first; more than 100 are not shown. */
  readonly complete: (
    principal: Principal,
    variable: string,
    typed: string
  ) => Effect.Effect<ReadonlyArray<string>, StoreError>
}

/** Sources beside our own; tests of the protocol add theirs here. */
export const MoreResourceSources = Context.Reference<ReadonlyArray<ResourceSource>>(
  "@devops-mcp/mcp-server/registry/Resources/MoreResourceSources",
  { defaultValue: () => [] }
)
