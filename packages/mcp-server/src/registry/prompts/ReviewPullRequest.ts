import { Effect } from "effect"
import { invalidParams } from "../ProtocolFailure.ts"
import type { Prompt } from "../Prompts.ts"
import { repositoryIn } from "./Arguments.ts"
import { makeRecentEvents, pullRequestOf } from "./Events.ts"
import { eventMaterial, makeAssemble, steps } from "./Messages.ts"

const mostEvents = 200

/** Pull requests that completions offer come from so many of their newest events. */
const mostOffered = 500

const instructions = (repository: string, number: number, left: number) => [
  `Review pull request #${number} of ${repository}.`,
  ...(left > 0
    ? [
        `${left} more of its events are not shown: call \`events_list\` with \`repository\` "${repository}" and follow \`nextCursor\`.`
      ]
    : []),
  "",
  ...steps([
    "From the events above, say what it wants to achieve, who asked for what in earlier reviews, and whether that was done. Read an event with `event_get` when its summary is not enough.",
    `Call \`tools_search\` with "pull request diff" and "files of a pull request" to find how to read its changes, and run what only reads with \`tools_call\`. If no tool can, say that you have not seen the code and review no further than the events go.`,
    "Call `knowledge_search` with what it changes in one sentence, to find decisions, conventions and earlier failures that bear on it.",
    "Look for wrong results, broken callers, missing tests, unsafe migrations and leaked secrets before style.",
    "Answer with: a verdict (approve, comment or request changes), then the findings, the gravest first, each with file and line and what to do instead, then the questions that are open. Cite `event://` URIs for what you take from the history. Post nothing unless the user asks you to."
  ])
]

/** The history of a pull request, for reviewing it. */
export const makeReviewPullRequest = Effect.gen(function* () {
  const recent = yield* makeRecentEvents
  const assemble = yield* makeAssemble

  const prompt: Prompt = {
    definition: {
      name: "review_pull_request",
      title: "Review a pull request",
      description: "Gathers what happened around a pull request, to review it with its history in mind.",
      arguments: [
        { name: "repository", title: "Repository", description: "Full name, as owner/name.", required: true },
        { name: "number", title: "Number", description: "The pull request's number, such as 12.", required: true }
      ]
    },
    scope: "events:read",
    get: Effect.fnUntraced(function* ({ tenantId }, { repository: asked = "", number: given = "" }) {
      const repository = asked.trim()
      const [, digits] = /^\s*[#!]?0*([1-9]\d{0,8})\s*$/.exec(given) ?? []
      if (digits === undefined) return yield* invalidParams("'number' must be the number of a pull request, such as 12")
      const number = Number(digits)
      const isOfIt = (event: Parameters<typeof pullRequestOf>[0]) => pullRequestOf(event) === number
      const { events, more } = yield* recent.newest(tenantId, { repository }, mostEvents, isOfIt)
      const found =
        events.length === 0
          ? `No event of pull request #${number} of ${repository} has reached this platform${more ? " lately" : ""}.`
          : `Below: ${events.length} events of pull request #${number} of ${repository}, newest first.`
      return assemble(
        {
          description: `Review of pull request #${number} of ${repository}`,
          opening: [found],
          closing: (left) => instructions(repository, number, left)
        },
        yield* Effect.forEach(events, eventMaterial)
      )
    }),
    complete: Effect.fnUntraced(function* ({ tenantId }, argument, typed, known) {
      if (argument === "repository") return yield* recent.repositories(tenantId, typed)
      const repository = repositoryIn(known["repository"])
      if (argument !== "number" || repository === undefined) return []
      const { events } = yield* recent.newest(tenantId, { repository, type: "pull_request" }, mostOffered)
      const numbers = new Set(events.flatMap((event) => pullRequestOf(event)?.toString() ?? []))
      return [...numbers].filter((number) => number.startsWith(typed.replace(/^[#!]/, "")))
    })
  }
  return prompt
})
