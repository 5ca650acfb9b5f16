import { Schema } from "effect"

/** What a destructive action is about to do, for whoever has to agree. */
export const ActionPreview = Schema.Struct({
  tool: Schema.String,
  action: Schema.String,
  title: Schema.String,
  description: Schema.String,
  arguments: Schema.JsonObject
}).annotate({ identifier: "ActionPreview" })
export type ActionPreview = typeof ActionPreview.Type
