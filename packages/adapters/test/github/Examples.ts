import definitions from "@octokit/webhooks-examples/api.github.com/index.json" with { type: "json" }
import { Schema } from "effect"

const Definitions = Schema.Array(Schema.Struct({ name: Schema.String, examples: Schema.Array(Schema.JsonObject) }))

/** Every real payload of `@octokit/webhooks-examples`, with its event type and its place among those of the type. */
export const examples = Schema.decodeSync(Definitions)(definitions).flatMap(({ name, examples }) =>
  examples.map((payload, index) => ({ eventType: name, index, payload }))
)
