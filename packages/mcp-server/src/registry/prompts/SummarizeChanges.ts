import { DateTime, Effect, Option } from "effect"
import { invalidParams } from "../ProtocolFailure.ts"
import type { Prompt } from "../Prompts.ts"
import { recentDays, timeIn } from "./Arguments.ts"
import { makeRecentEvents } from "./Events.ts"
import { eventMaterial, makeAssemble, steps } from "./Messages.ts"

const mostEvents = 400

const instructions = (filter: string, left: number) => [
  "Summarise what changed, for somebody who was away.",
  ...(left > 0
    ? [`${left} more events are not shown: call \`events_list\` with ${filter} and follow \`nextCursor\`.`]
    : []),
  "",
  ...steps([
    "Group the events above by what they achieve, not by their type: several pushes, reviews and a merge of one pull request are one change.",
    "Read an event with `event_get` when its summary is not enough, and call `knowledge_search` with the change in one sentence when its reason is not clear.",
    "Answer with: what was released or deployed, what was merged, what is still open, and what failed and whether it was mended. One line each, newest first, with the `event://` URI of the event that proves it.",
    "Leave out labels, assignments and comments that changed nothing. If nothing happened, say so."
  ])
]

/** What happened in a repository in a time. */
export const makeSummarizeChanges = Effect.gen(function* () {
  const recent = yield* makeRecentEvents
  const assemble = yield* makeAssemble

  const prompt: Prompt = {
    definition: {
      name: "summarize_changes",
      title: "Summarise changes",
      description: "Gathers what happened in a repository, to tell what was changed, released and broken.",
      arguments: [
        { name: "repository", title: "Repository", description: "Full name, as owner/name.", required: true },
        { name: "since", title: "Since", description: "First day or time; a week ago when absent.", required: false },
        {
          name: "until",
          title: "Until",
          description: "Day or time before which to stop; now when absent.",
          required: false
        }
      ]
    },
    scope: "events:read",
    get: Effect.fnUntraced(function* ({ tenantId }, { repository: asked = "", since: from, until: to }) {
      const repository = asked.trim()
      const now = yield* DateTime.now
      const until = Option.getOrElse(yield* timeIn("until", to), () => now)
      const since = Option.getOrElse(yield* timeIn("since", from), () => DateTime.subtract(until, { days: 7 }))
      if (DateTime.isGreaterThanOrEqualTo(since, until)) return yield* invalidParams("'since' must be before 'until'")
      const { events, more } = yield* recent.newest(tenantId, { repository, since, until }, mostEvents)
      const [first, last] = [DateTime.formatIso(since), DateTime.formatIso(until)]
      return assemble(
        {
          description: `Changes in ${repository} from ${first} to ${last}`,
          opening: [
            `Below: ${events.length} events in ${repository} from ${first} to ${last}, newest first${more ? "; there are older ones" : ""}.`
          ],
          closing: (left) =>
            instructions(`\`repository\` "${repository}", \`since\` "${first}" and \`until\` "${last}"`, left)
        },
        yield* Effect.forEach(events, eventMaterial)
      )
    }),
    complete: ({ tenantId }, argument, typed) => {
      if (argument === "repository") return recent.repositories(tenantId, typed)
      return argument === "since" || argument === "until" ? recentDays(typed) : Effect.succeed([])
    }
  }
  return prompt
})
