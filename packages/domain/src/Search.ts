import { Schema } from "effect"
import { Metadata } from "./Fields.ts"

export const SearchKind = Schema.Literals(["context", "event", "document"])
export type SearchKind = typeof SearchKind.Type

export const SearchMode = Schema.Literals(["hybrid", "vector", "keyword"])
export type SearchMode = typeof SearchMode.Type

/** A found event, document or context; each appears once in a page, by its best passage. */
export const SearchHit = Schema.Struct({
  /** Id of the passage that matched. */
  id: Schema.String,
  kind: SearchKind,
  /** 0 to 1, comparable inside one page only. */
  score: Schema.Finite,
  text: Schema.String,
  /** URI of what was found: `event://ID`, `document://ID` or `context://ID`. */
  ref: Schema.String,
  metadata: Metadata,
  /** 1-based position in each half of a hybrid search, absent where that half did not find it. */
  ranks: Schema.Struct({ vector: Schema.optionalKey(Schema.Int), keyword: Schema.optionalKey(Schema.Int) })
}).annotate({ identifier: "SearchHit" })
export type SearchHit = typeof SearchHit.Type
