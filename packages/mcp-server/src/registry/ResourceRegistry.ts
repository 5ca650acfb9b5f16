import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { type Completion, completionOf } from "./Completions.ts"
import { invalidParams, ProtocolFailure } from "./ProtocolFailure.ts"
import { makeRecorded, orUnavailable } from "./Recorded.ts"
import {
  MoreResourceSources,
  type ResourceContents,
  type ResourceEntry,
  type ResourceSource,
  type ResourceTemplate
} from "./Resources.ts"
import { makeContextResources } from "./resources/ContextResources.ts"
import { makeDocumentResources } from "./resources/DocumentResources.ts"
import { makeEventResources } from "./resources/EventResources.ts"
import { makeResultResources } from "./resources/ResultResources.ts"

/** Resources of one `resources/list` answer. */
export const resourcePageSize = 100

/** No URI of ours is longer; what is longer is nobody's, and not repeated to the caller. */
const longestUri = 2_000

/** A source's cursor has at most 500 characters, and ours are a third longer. */
const longestCursor = 1_000

/** Where a list goes on: in a source, at the source's own cursor. */
const Place = Schema.fromJsonString(
  Schema.Struct({ source: Schema.String, cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(500))) })
)
const encodePlace = Schema.encodeSync(Place)
const decodePlace = Schema.decodeOption(Place)

const wrongCursor = invalidParams("The cursor is not one that resources/list returned")

const notFound = (uri: string) =>
  new ProtocolFailure({ code: -32602, detail: "Resource not found", data: { uri: uri.slice(0, longestUri) } })

const isOpenTo = (principal: Principal, { scope }: ResourceSource) => scope === "any" || allows(principal, scope)

export interface ResourcePage {
  readonly resources: ReadonlyArray<ResourceEntry>
  readonly nextCursor?: string
}

/**
 * All MCP resources, whatever the transport. What a caller may not read is for it as if it were not there; every read,
 * also of what is not there, leaves an audit row and a measurement.
 */
export class ResourceRegistry extends Context.Service<
  ResourceRegistry,
  {
    /** Newest first within each kind, the kinds in a fixed order. */
    readonly list: (principal: Principal, cursor?: string) => Effect.Effect<ResourcePage, ProtocolFailure>
    readonly templates: (
      principal: Principal
    ) => Effect.Effect<{ readonly resourceTemplates: ReadonlyArray<ResourceTemplate> }>
    readonly read: (
      principal: Principal,
      requestId: string,
      uri: string
    ) => Effect.Effect<{ readonly contents: ReadonlyArray<ResourceContents> }, ProtocolFailure>
    readonly complete: (
      principal: Principal,
      uriTemplate: string,
      variable: string,
      typed: string
    ) => Effect.Effect<Completion, ProtocolFailure>
    /** Fails unless the URI is one that the caller could read, were it there: so it may be subscribed to. */
    readonly canRead: (principal: Principal, uri: string) => Effect.Effect<void, ProtocolFailure>
  }
>()("@devops-mcp/mcp-server/registry/ResourceRegistry") {
  static readonly layer = Layer.effect(
    ResourceRegistry,
    Effect.gen(function* () {
      const recorded = yield* makeRecorded
      const sources = [
        yield* makeContextResources,
        yield* makeDocumentResources,
        yield* makeEventResources,
        yield* makeResultResources,
        ...(yield* MoreResourceSources)
      ]

      const openTo = (principal: Principal) => sources.filter((source) => isOpenTo(principal, source))

      const placeOf = Effect.fnUntraced(function* (open: ReadonlyArray<ResourceSource>, cursor: string | undefined) {
        if (cursor === undefined) return { index: 0, cursor: undefined }
        if (cursor.length > longestCursor) return yield* wrongCursor
        const place = yield* Effect.fromOption(
          Option.flatMap(Result.getSuccess(Base64Url.decodeString(cursor)), decodePlace)
        ).pipe(Effect.mapError(() => wrongCursor))
        const index = open.findIndex(({ name }) => name === place.source)
        return index === -1 ? yield* wrongCursor : { index, cursor: place.cursor }
      })

      const pageOf = (source: ResourceSource, principal: Principal, limit: number, cursor: string | undefined) =>
        source.list(principal, cursor === undefined ? { limit } : { limit, cursor }).pipe(
          Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", () => Effect.fail(wrongCursor)),
          orUnavailable
        )

      const list = Effect.fn("ResourceRegistry.list")(function* (
        principal: Principal,
        cursor?: string
      ): Effect.fn.Return<ResourcePage, ProtocolFailure> {
        const open = openTo(principal)
        const start = yield* placeOf(open, cursor)
        const resources: Array<ResourceEntry> = []
        const upTo = (place: typeof Place.Type) => ({ resources, nextCursor: Base64Url.encode(encodePlace(place)) })
        let at = start.cursor
        for (const source of open.slice(start.index)) {
          const left = resourcePageSize - resources.length
          if (left === 0) return upTo({ source: source.name })
          const { items, nextCursor } = yield* pageOf(source, principal, left, at)
          resources.push(...items)
          if (nextCursor !== null) return upTo({ source: source.name, cursor: nextCursor })
          at = undefined
        }
        return { resources }
      })

      const templates = Effect.fn("ResourceRegistry.templates")(function* (principal: Principal) {
        return yield* Effect.succeed({
          resourceTemplates: openTo(principal).flatMap(({ template }) => (template === undefined ? [] : [template]))
        })
      })

      const find = (principal: Principal, uri: string) => {
        if (uri.length > longestUri) return undefined
        for (const source of sources) {
          const contents = source.read(principal, uri)
          if (Option.isSome(contents)) return { source, contents: contents.value }
        }
        return undefined
      }

      const read = Effect.fn("ResourceRegistry.read")(function* (principal: Principal, requestId: string, uri: string) {
        const found = find(principal, uri)
        const isDenied = found !== undefined && !isOpenTo(principal, found.source)
        const contents =
          found === undefined || isDenied
            ? Effect.fail(notFound(uri))
            : Effect.flatMap(
                found.contents,
                Option.match({ onNone: () => Effect.fail(notFound(uri)), onSome: (some) => Effect.succeed(some) })
              )
        return yield* recorded(
          {
            principal,
            requestId,
            method: "resources/read",
            label: found?.source.name ?? "unknown",
            target: found === undefined ? undefined : uri,
            isDenied
          },
          Effect.map(contents, (all) => ({ contents: all }))
        )
      })

      const complete = Effect.fn("ResourceRegistry.complete")(function* (
        principal: Principal,
        uriTemplate: string,
        variable: string,
        typed: string
      ) {
        const source = openTo(principal).find(({ template }) => template?.uriTemplate === uriTemplate)
        if (source === undefined) return yield* invalidParams("There is no such resource template")
        if (!uriTemplate.includes(`{${variable}}`)) {
          return yield* invalidParams(`The template ${uriTemplate} has no such variable`)
        }
        return completionOf(yield* orUnavailable(source.complete(principal, variable, typed)))
      })

      const canRead = Effect.fn("ResourceRegistry.canRead")(function* (principal: Principal, uri: string) {
        const found = find(principal, uri)
        if (found === undefined || !isOpenTo(principal, found.source)) return yield* notFound(uri)
      })

      return ResourceRegistry.of({ list, templates, read, complete, canRead })
    })
  )
}
