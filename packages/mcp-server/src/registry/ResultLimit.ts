import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Effect, Schema } from "effect"
import { errorOutcome, type ToolOutcome } from "./RegisteredTool.ts"

/** Tokens of one result at most: more would crowd out what the agent is doing. */
export const resultTokenLimit = 25_000

/** A character is at most three tokens, so a text this short needs no counting. */
const surelyFits = resultTokenLimit / 3

/** A text this long is over the limit in any language, and counting it would only cost time. */
const surelyOver = 2_000_000

/** How much of each text stays when the result of a change has to be cut. */
const cutTextLength = 100

/** Arguments by which callers ask for less, in the order in which they are recommended. */
const sizeArguments = ["limit", "maxTokens"]

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const isArray = (value: Schema.Json): value is Schema.JsonArray => Array.isArray(value)

const cutTexts = (value: Schema.Json): Schema.Json => {
  if (typeof value === "string") {
    const hidden = value.length - cutTextLength
    return hidden > 0 ? `${value.slice(0, cutTextLength)}… (${hidden} more characters)` : value
  }
  if (isArray(value)) return value.map(cutTexts)
  return value !== null && typeof value === "object" ? cutObject(value) : value
}

const cutObject = (value: Schema.JsonObject): Schema.JsonObject =>
  Object.fromEntries(Object.entries(value).map(([key, part]) => [key, cutTexts(part)]))

/** What the limit needs to know about a tool. */
export interface ResultTraits {
  readonly changes: boolean
  /** Names of the tool's arguments. */
  readonly arguments: ReadonlyArray<string>
}

const adviceFor = (known: ReadonlyArray<string>): string => {
  const sizes = sizeArguments.filter((name) => known.includes(name)).map((name) => `a smaller \`${name}\``)
  if (sizes.length === 0) return "Ask for something narrower."
  return `Ask again with ${sizes.join(" or ")}${known.includes("cursor") ? ", and for the rest with `cursor`" : ""}.`
}

/**
 * Makes outcomes of results and keeps them under the limit. What was read is refused with advice on how to ask for
 * less; what reports a change has its long texts cut, because the agent has just sent them and needs the ids.
 */
export const makeResultLimit = Effect.map(TokenCounter, (counter) => {
  const tooLong = (text: string) =>
    text.length > surelyOver || (text.length > surelyFits && counter.count(text) > resultTokenLimit)

  return (traits: ResultTraits, structured: Schema.JsonObject): ToolOutcome => {
    const text = encodeJson(structured)
    if (!tooLong(text)) return { _tag: "Result", structured, text }
    if (!traits.changes) {
      const advice = adviceFor(traits.arguments)
      const detail = `The result has more than ${resultTokenLimit} tokens and is not sent. ${advice}`
      return errorOutcome("result_too_large", detail, false)
    }
    const cut = cutObject(structured)
    const cutText = encodeJson(cut)
    if (!tooLong(cutText)) return { _tag: "Result", structured: cut, text: cutText }
    const detail = `The change was made, do not repeat it. Its report has more than ${resultTokenLimit} tokens.`
    return errorOutcome("result_too_large", detail, false)
  }
})
