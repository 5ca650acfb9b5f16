import type { NotFound } from "@devops-mcp/domain/Errors"
import type { Page } from "@devops-mcp/domain/Page"
import { Effect, Option, Schema } from "effect"
import { completable, mostCompletions } from "../Completions.ts"

/** Resources of one scheme, named by an id and nothing else. */
export const urisOf = <A>(scheme: string, Id: Schema.Codec<A, string>) => {
  const decode = Schema.decodeUnknownOption(Id)
  const start = `${scheme}://`
  return {
    template: `${start}{id}`,
    of: (id: A) => `${start}${id}`,
    parse: (uri: string): Option.Option<A> => (uri.startsWith(start) ? decode(uri.slice(start.length)) : Option.none())
  }
}

/** Nothing where there is nothing, or another tenant's. */
export const orNone = <A, E>(effect: Effect.Effect<A, E | NotFound>) =>
  Effect.catchTag(Effect.asSome(effect), "@devops-mcp/domain/Errors/NotFound", () => Effect.succeedNone)

/** How far back completions look. */
export const completionPage = { limit: 200 }

/** Ids that begin with what is typed, or whose thing is called something with it; one more than are shown. */
export const matchingIds = <A extends { readonly id: string }>(
  { items }: Page<A>,
  nameOf: (item: A) => string,
  typed: string
): ReadonlyArray<string> =>
  completable(typed)
    ? items
        .filter((item) => item.id.startsWith(typed) || nameOf(item).toLowerCase().includes(typed.toLowerCase()))
        .slice(0, mostCompletions + 1)
        .map(({ id }) => id)
    : []
