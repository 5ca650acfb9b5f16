import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { DateTime, Effect, Option } from "effect"
import type { Prompt } from "../Prompts.ts"
import { recentDays, repositoryIn, timeIn } from "./Arguments.ts"
import { makeRecentEvents } from "./Events.ts"
import { embedded, eventMaterial, makeAssemble, type Material, steps } from "./Messages.ts"

const mostEvents = 200
const mostHits = 10

/** Characters of a description that are searched with. */
const longestQuery = 2_000

const instructions = (principal: Principal, filter: string, left: number) => [
  "Find out what most likely caused this incident, from the events and passages above and from what you look up.",
  ...(left > 0
    ? [`${left} more events are not shown: call \`events_list\` with ${filter} and follow \`nextCursor\`.`]
    : []),
  "",
  ...steps([
    "Order the events above by `occurredAt` and note which deployment, merge or configuration change came last before the first symptom. Read one with `event_get` when its summary is not enough.",
    'Call `knowledge_search` with the symptom in one sentence, and again with each suspect (`mode` "hybrid"), to find runbooks and earlier incidents.',
    "Call `tools_search` for actions that show the present state (logs, deployments, pipeline runs) and run those that only read with `tools_call`. Change nothing.",
    ...(allows(principal, "contexts:write")
      ? ["Keep the timeline: `context_create` once, then `context_append` for each finding with its `event://` URI."]
      : []),
    "Answer with: the impact, the timeline (times in UTC), the most likely cause with the evidence for it as `event://` or `document://` URIs, what speaks against it, and the next safe step. Say plainly what you do not know."
  ])
]

/** What happened lately and what is known of such incidents, for finding a cause. */
export const makeTriageIncident = Effect.gen(function* () {
  const knowledge = yield* Knowledge
  const recent = yield* makeRecentEvents
  const assemble = yield* makeAssemble

  /** By meaning as long as the model answers, else by words. */
  const related = ({ tenantId }: Principal, incident: string) => {
    const search = { query: incident.slice(0, longestQuery), kinds: ["event", "document"] as const, limit: mostHits }
    return knowledge.search(tenantId, search).pipe(
      Effect.catchTag("@devops-mcp/core/ports/Embedder/EmbedderError", (error) =>
        Effect.andThen(
          Effect.logWarning("Searched by words only", error),
          knowledge.search(tenantId, { ...search, mode: "keyword" })
        )
      ),
      Effect.catchTag("@devops-mcp/core/ports/Embedder/EmbedderError", Effect.die),
      Effect.map(({ items }) => items)
    )
  }

  const prompt: Prompt = {
    definition: {
      name: "triage_incident",
      title: "Triage an incident",
      description: "Gathers what happened lately and what is known of similar incidents, to find the likely cause.",
      arguments: [
        { name: "incident", title: "Incident", description: "What is wrong, in a sentence or two.", required: true },
        {
          name: "repository",
          title: "Repository",
          description: "Only events of this one, as owner/name.",
          required: false
        },
        {
          name: "since",
          title: "Since",
          description: "Only events since this day or time; the last day when absent.",
          required: false
        }
      ]
    },
    scope: "events:read",
    get: Effect.fnUntraced(function* (principal, { incident = "", repository: asked, since: from }) {
      const repository = repositoryIn(asked)
      const now = yield* DateTime.now
      const since = Option.getOrElse(yield* timeIn("since", from), () => DateTime.subtract(now, { days: 1 }))
      const filter = { ...(repository === undefined ? {} : { repository }), since }
      const { events, more } = yield* recent.newest(principal.tenantId, filter, mostEvents)
      const hits = allows(principal, "knowledge:read") ? yield* related(principal, incident) : []
      const shown = yield* Effect.forEach(events, eventMaterial)
      const uris = new Set(shown.map(({ uri }) => uri))
      const known = hits
        .filter(({ ref }) => !uris.has(ref))
        .map(({ kind, ref, text }): Material => ({
          uri: ref,
          whole: embedded(ref, "text/plain", text),
          link: { type: "resource_link", uri: ref, name: `Related ${kind}` }
        }))
      const described = `since ${DateTime.formatIso(since)}${repository === undefined ? "" : ` in ${repository}`}`
      const asJson = `\`since\` "${DateTime.formatIso(since)}"${repository === undefined ? "" : ` and \`repository\` "${repository}"`}`
      return assemble(
        {
          description: `Triage of an incident with the events ${described}`,
          opening: [
            "An incident is being investigated.",
            "",
            `Incident: ${incident}`,
            "",
            `Below: ${known.length} passages of the knowledge that are close to it, then ${events.length} events ${described}, newest first${more ? "; there are older ones" : ""}.`
          ],
          closing: (left) => instructions(principal, asJson, left)
        },
        [...known, ...shown]
      )
    }),
    complete: ({ tenantId }, argument, typed) => {
      if (argument === "repository") return recent.repositories(tenantId, typed)
      return argument === "since" ? recentDays(typed) : Effect.succeed([])
    }
  }
  return prompt
})
