import { type EventFilter, EventRepository } from "@devops-mcp/core/ports/EventRepository"
import type { Event } from "@devops-mcp/domain/Event"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { Effect } from "effect"
import { completable, mostCompletions } from "../Completions.ts"

const pageSize = 200

/** How far back prompts and their completions look: a thousand events. */
const mostPages = 5

/** Recent events and what can be learnt from them, for prompts. */
export const makeRecentEvents = Effect.map(EventRepository, (events) => {
  /** The newest events of the filter that are `wanted`, and whether older ones were not looked at. */
  const newest = Effect.fnUntraced(function* (
    tenantId: TenantId,
    filter: Omit<EventFilter, "limit" | "cursor">,
    limit: number,
    wanted: (event: Event) => boolean = () => true
  ) {
    const found: Array<Event> = []
    let cursor: string | null = null
    for (let page = 0; page < mostPages && found.length <= limit; page += 1) {
      const request: EventFilter = { ...filter, limit: pageSize, ...(cursor === null ? {} : { cursor }) }
      const { items, nextCursor } = yield* Effect.catchTag(
        events.list(tenantId, request),
        "@devops-mcp/core/ports/Cursor/CursorError",
        Effect.die
      )
      found.push(...items.filter(wanted))
      cursor = nextCursor
      if (cursor === null) break
    }
    return { events: found.slice(0, limit), more: cursor !== null || found.length > limit }
  })

  /** Repositories that something happened in lately, the newest first. */
  const repositories = Effect.fnUntraced(function* (tenantId: TenantId, typed: string) {
    if (!completable(typed)) return []
    const found = new Set<string>()
    const isNew = ({ repository }: Event) => {
      if (repository === undefined || !repository.toLowerCase().includes(typed.toLowerCase())) return false
      const before = found.size
      return found.add(repository).size > before
    }
    yield* newest(tenantId, {}, mostCompletions, isNew)
    return [...found]
  })

  return { newest, repositories }
})

/** The number of the pull request that an event is about, by its address, else by what it says. */
export const pullRequestOf = ({ summary, title, type, url = "" }: Event): number | undefined => {
  const [, addressed] = /\/(?:pull|pulls|merge_requests|pull-requests)\/(\d{1,9})(?!\d)/.exec(url) ?? []
  if (addressed !== undefined) return Number(addressed)
  if (!/pull_request|merge_request|issue_comment/.test(type)) return undefined
  const [, named] = /(?:pull|merge) request [#!](\d{1,9})(?!\d)/i.exec(`${title}\n${summary}`) ?? []
  return named === undefined ? undefined : Number(named)
}
