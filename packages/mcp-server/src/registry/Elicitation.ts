import type { ActionPreview } from "@devops-mcp/contract/ActionPreview"
import { Predicate, Schema } from "effect"
import type { InputRequest } from "./RegisteredTool.ts"

/** Characters of the arguments that a question shows. */
const shownArguments = 2_000

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.JsonObject))

/** Whether the client's user can be asked with a form; until 2025-11-25 a form was all there was. */
export const canElicit = (capabilities: Schema.JsonObject): boolean => {
  const { elicitation } = capabilities
  return Predicate.isObject(elicitation) && ("form" in elicitation || !("url" in elicitation))
}

/** Asks the user to agree to what cannot be undone. */
export const confirmationRequest = ({ action, arguments: input, title, tool }: ActionPreview): InputRequest => {
  const text = encodeJson(input)
  const shown = text.length > shownArguments ? `${text.slice(0, shownArguments)}…` : text
  return {
    method: "elicitation/create",
    params: {
      message: `Run '${action}' of '${tool}' (${title})? This cannot be undone. Arguments: ${shown}`,
      requestedSchema: {
        type: "object",
        properties: {
          confirm: { type: "boolean", title: "Run it", description: "Whether this may be run, once and exactly so" }
        },
        required: ["confirm"]
      }
    }
  }
}

const isAgreement = Schema.is(
  Schema.Struct({ action: Schema.Literal("accept"), content: Schema.Struct({ confirm: Schema.Literal(true) }) })
)

/** What the user said; anything but a clear yes is a no. */
export const isConfirmed = (response: unknown): boolean => isAgreement(response)
