import { Schema } from "effect"

/** One page of a list; `nextCursor` is null on the last one. */
export const Page = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.NullOr(Schema.String) })

export interface Page<out A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: string | null
}

/** Where a list starts and how long a page may be. */
export const PageRequest = Schema.Struct({
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 })),
  cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(500)))
})
export type PageRequest = typeof PageRequest.Type
