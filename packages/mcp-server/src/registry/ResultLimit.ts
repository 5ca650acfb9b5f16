import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Results } from "@devops-mcp/core/results/Results"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Effect, Option, type Schema } from "effect"
import { encodeJson } from "../edge/Json.ts"
import {
  type ContentBlock,
  errorOutcome,
  type ObjectSchema,
  type RawArguments,
  type ToolOutcome
} from "./RegisteredTool.ts"
import { makeCut } from "./ResultCut.ts"

/** Tokens of one result at most: more would crowd out what the agent is doing. */
export const resultTokenLimit = 25_000

/** A character is at most three tokens, so a text this short needs no counting. */
const surelyFits = resultTokenLimit / 3

/** No text this long that says anything is under the limit, and counting it would only hold up others. */
const surelyOver = 400_000

/** How often a page is asked for anew, each time with a smaller limit. */
const smallerPages = 4

/** What the limit needs to know about a tool. */
export interface ResultTraits {
  readonly changes: boolean
  /** Names of the tool's arguments. */
  readonly arguments: ReadonlyArray<string>
  /** What its results look like; a cut one still does. */
  readonly output?: ObjectSchema
}

/** Tokens of a text; of a very long one about how many, but never so few that it would fit. */
const sizeOf = (counter: TokenCounter["Service"], text: string): number => {
  if (text.length <= surelyFits) return text.length
  return text.length > surelyOver ? Math.ceil(text.length / 4) : counter.count(text)
}

/**
 * Makes a value fit by cutting texts and lists; None when even what its schema requires is too much. For what has no
 * pages and can be read whole elsewhere.
 */
export const makeFit = Effect.map(TokenCounter, (counter) => (value: Schema.JsonObject, schema?: ObjectSchema) => {
  const text = encodeJson(value)
  const tokens = sizeOf(counter, text)
  if (tokens <= resultTokenLimit) return Option.some({ value, text, tokens, isCut: false })
  let previous = text
  for (const cut of makeCut(schema)(value)) {
    const cutText = encodeJson(cut)
    if (cutText === previous) continue
    previous = cutText
    if (sizeOf(counter, cutText) <= resultTokenLimit)
      return Option.some({ value: cut, text: cutText, tokens, isCut: true })
  }
  return Option.none()
})

/** How many items a page has; undefined for what is no page. */
const pageLength = (structured: Schema.JsonObject): number | undefined => {
  if (!Object.hasOwn(structured, "nextCursor")) return undefined
  const lists = Object.values(structured).filter((value): value is Schema.JsonArray => Array.isArray(value))
  return lists.length === 1 ? lists[0]?.length : undefined
}

/**
 * Runs a tool and keeps its result under the limit. A list that has pages is asked for a shorter one, unless asking
 * changes something; anything else is kept whole for its caller, who gets it with long texts and lists cut, and a link.
 */
export interface ResultLimit {
  <E>(
    principal: Principal,
    traits: ResultTraits,
    input: RawArguments,
    run: (input: RawArguments) => Effect.Effect<Schema.JsonObject, E>
  ): Effect.Effect<ToolOutcome, E>
}

export const makeResultLimit = Effect.gen(function* () {
  const counter = yield* TokenCounter
  const results = yield* Results
  const fit = yield* makeFit

  const isTooLong = (text: string) => sizeOf(counter, text) > resultTokenLimit

  const hasPages = (traits: ResultTraits) =>
    !traits.changes && traits.arguments.includes("limit") && traits.arguments.includes("cursor")

  /** The limit that lets a page of this length and size fit, with room for items that are larger than the average. */
  const smallerLimit = (length: number, tokens: number) =>
    Math.max(1, Math.min(length - 1, Math.floor((length * resultTokenLimit * 0.9) / tokens)))

  const shorterPage = Effect.fnUntraced(function* <E>(
    first: Schema.JsonObject,
    input: RawArguments,
    run: (input: RawArguments) => Effect.Effect<Schema.JsonObject, E>
  ) {
    let page = first
    for (let round = 0; round < smallerPages; round += 1) {
      const length = pageLength(page)
      if (length === undefined || length <= 1) break
      const tokens = sizeOf(counter, encodeJson(page))
      if (tokens <= resultTokenLimit) break
      page = yield* run({ ...input, limit: smallerLimit(length, tokens) })
    }
    return page
  })

  const keep = (principal: Principal, text: string) =>
    results.keep(principal, text).pipe(
      Effect.asSome,
      Effect.catch((error) => Effect.as(Effect.logWarning("A large result could not be kept", error), Option.none()))
    )

  const linkTo = (uri: string, bytes: number, description: string): ContentBlock => ({
    type: "resource_link",
    uri,
    name: "result",
    title: "The whole result",
    description,
    mimeType: "application/json",
    size: bytes
  })

  const cutDown = Effect.fnUntraced(function* (
    principal: Principal,
    traits: ResultTraits,
    structured: Schema.JsonObject
  ) {
    const whole = encodeJson(structured)
    const kept = Option.map(yield* keep(principal, whole), ({ bytes, id }) => ({ bytes, uri: `result://${id}` }))
    const made = traits.changes ? "The change was made, do not repeat it. " : ""
    const tokens = sizeOf(counter, whole)
    const outcome: ToolOutcome = Option.match(fit(structured, traits.output), {
      onNone: () =>
        errorOutcome(
          "result_too_large",
          `${made}The result has ${tokens} tokens, more than ${resultTokenLimit}. ` +
            Option.match(kept, {
              onNone: () => "It was not kept; ask for something narrower.",
              onSome: ({ uri }) => `Read it as the resource ${uri}.`
            }),
          false
        ),
      onSome: ({ text, value }) => ({
        _tag: "Result",
        structured: value,
        text,
        links: [
          Option.match(kept, {
            onNone: () => ({
              type: "text",
              text: `${made}Long texts and lists of this result were cut, and the whole of it could not be kept.`
            }),
            onSome: ({ bytes, uri }) =>
              linkTo(uri, bytes, `${made}The whole result, ${tokens} tokens. Above, long texts and lists are cut.`)
          })
        ]
      })
    })
    return outcome
  })

  const within: ResultLimit = Effect.fnUntraced(function* (principal, traits, input, run) {
    const result = yield* run(input)
    const text = encodeJson(result)
    if (!isTooLong(text)) return { _tag: "Result", structured: result, text } satisfies ToolOutcome
    if (!hasPages(traits)) return yield* cutDown(principal, traits, result)
    const page = yield* shorterPage(result, input, run)
    const pageText = encodeJson(page)
    if (isTooLong(pageText)) return yield* cutDown(principal, traits, page)
    return { _tag: "Result", structured: page, text: pageText } satisfies ToolOutcome
  })
  return within
})
