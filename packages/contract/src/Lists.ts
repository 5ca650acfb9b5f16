import { Schema } from "effect"

/** Query parameters of every list: `limit` from 1 to 200 (50 when absent) and the cursor that the last page gave. */
export const listQuery = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
  cursor: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 500)))
}

/** The page that a list's query asks for; whatever else the query has stays. */
export const pageRequest = <Q extends { readonly limit?: number; readonly cursor?: string }>(query: Q) => ({
  ...query,
  limit: query.limit ?? 50
})
