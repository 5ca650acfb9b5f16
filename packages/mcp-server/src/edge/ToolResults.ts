import type { Schema } from "effect"
import type { ToolOutcome } from "../registry/RegisteredTool.ts"
import { encodeJson } from "./Json.ts"

/**
 * An error goes out as text alone, a sentence and then the same for programs: older SDK clients hold a failed call's
 * structured content against the tool's `outputSchema` as well.
 */
export const resultOf = (
  outcome: Exclude<ToolOutcome, { readonly _tag: "Task" }>
): Readonly<Record<string, Schema.Json | undefined>> => {
  switch (outcome._tag) {
    case "Result":
      return {
        content: [{ type: "text", text: outcome.text }, ...(outcome.links ?? [])],
        structuredContent: outcome.structured
      }
    case "Content":
      return {
        content: outcome.content,
        ...(outcome.structured === undefined ? {} : { structuredContent: outcome.structured }),
        ...(outcome.isError ? { isError: true } : {})
      }
    case "Error":
      return {
        content: [
          { type: "text", text: outcome.error.detail },
          { type: "text", text: encodeJson({ error: outcome.error }) }
        ],
        isError: true
      }
    case "InputRequired":
      return {
        resultType: "input_required",
        inputRequests: Object.fromEntries(
          Object.entries(outcome.requests).map(([key, { method, params }]) => [
            key,
            params === undefined ? { method } : { method, params }
          ])
        ),
        ...(typeof outcome.state === "string" ? { requestState: outcome.state } : {})
      }
  }
}
