import { Timestamp } from "@devops-mcp/domain/Fields"
import { DateTime, Effect, Schema } from "effect"
import { action } from "../Action.ts"
import { bounds, GitConfig, inputs } from "./GitSchemas.ts"
import { at, moment } from "./Log.ts"
import { cut, pathArgs, resolveCommit, timestamp, type GitServices } from "./Revisions.ts"

/** Months in one answer, and people and months that are told apart while counting: anybody can write a history. */
const maxMonths = 240
const maxGroups = 100_000

const counts = { commits: Schema.Int, additions: Schema.Int, deletions: Schema.Int }

const Author = Schema.Struct({ name: Schema.String, email: Schema.String, ...counts })

const Month = Schema.Struct({ month: Schema.String, authors: Schema.Int, ...counts })

interface Count {
  commits: number
  additions: number
  deletions: number
}

const nothing = (): Count => ({ commits: 0, additions: 0, deletions: 0 })

/** The value of a key, made when it is new; none when there are too many keys already. */
const orInsert = <V>(map: Map<string, V>, key: string, make: () => V): ReadonlyArray<V> => {
  const found = map.get(key)
  if (found !== undefined) return [found]
  if (map.size >= maxGroups) return []
  const made = make()
  map.set(key, made)
  return [made]
}

/** Before each commit's numbers; no line of numbers begins so. */
const commitMark = "\x01"

/** Adds up the lines of `git log --numstat` as they come, newest commit first; people are told apart by their email. */
export const makeCounter = () => {
  const total = nothing()
  const people = new Map<string, Count & { readonly name: string; readonly email: string }>()
  const months = new Map<string, Count & { readonly people: Set<string> }>()
  let times: { first: number; last: number } | undefined
  let leftOut = false
  let current: ReadonlyArray<Count> = []

  const startCommit = (line: string) => {
    const [seconds = "", email = "", name = ""] = line.slice(commitMark.length).split("\0")
    const moment = timestamp(seconds)
    const time = DateTime.toEpochMillis(moment)
    times = { first: Math.min(times?.first ?? time, time), last: Math.max(times?.last ?? time, time) }
    const key = email.toLowerCase()
    const author = orInsert(people, key, () => ({ ...nothing(), name: cut(name, 200), email: cut(email, 200) }))
    const month = orInsert(months, DateTime.formatIso(moment).slice(0, -17), () => ({
      ...nothing(),
      people: new Set<string>()
    }))
    if (author.length > 0) for (const each of month) each.people.add(key)
    leftOut ||= author.length === 0 || month.length === 0
    current = [total, ...author, ...month]
    for (const count of current) count.commits++
  }

  const line = (text: string) => {
    if (text.startsWith(commitMark)) return startCommit(text)
    const [added = "", deleted = ""] = text.split("\t", 2)
    // A binary file has `-` for its numbers.
    const [additions, deletions] = [Number(added) || 0, Number(deleted) || 0]
    for (const count of current) {
      count.additions += additions
      count.deletions += deletions
    }
  }

  const result = (limit: number) => {
    const authors = [...people.values()].toSorted((a, b) => b.commits - a.commits || (a.email < b.email ? -1 : 1))
    const byMonth = [...months].toSorted(([a], [b]) => (a < b ? 1 : -1))
    return {
      commits: total.commits,
      additions: total.additions,
      deletions: total.deletions,
      authorCount: people.size,
      ...(times === undefined
        ? {}
        : { first: DateTime.makeUnsafe(times.first), last: DateTime.makeUnsafe(times.last) }),
      authors: authors.slice(0, limit),
      months: byMonth
        .slice(0, maxMonths)
        .map(([month, { people: active, ...count }]) => ({ month, authors: active.size, ...count })),
      truncated: authors.length > limit || byMonth.length > maxMonths || leftOut
    }
  }

  return { line, result }
}

/** Who changed how much when, over a whole history. */
export const statistics = ({ git, repositories }: GitServices) =>
  action({
    name: "statistics",
    title: "Statistics of the history",
    description:
      "Counts commits, authors and changed lines of a Git repository over its history: in all, by author and by month. It may take minutes on a large history; narrow it by time or path. Merges count as commits without lines of their own.",
    risk: "read",
    longRunning: true,
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      ref: inputs.ref,
      path: inputs.pathFilter,
      since: moment("Only commits made at or after this time"),
      until: moment("Only commits made at or before this time"),
      limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: bounds.limit }))
        .annotate({
          description: "At most this many authors, those with the most commits",
          default: bounds.defaultLimit
        })
        .pipe(Schema.withDecodingDefaultKey(Effect.succeed(bounds.defaultLimit)))
    }),
    output: Schema.Struct({
      repository: Schema.String,
      ...counts,
      authorCount: Schema.Int,
      first: Schema.optionalKey(Timestamp.annotate({ description: "When the oldest of these commits was authored" })),
      last: Schema.optionalKey(Timestamp.annotate({ description: "When the newest of these commits was authored" })),
      authors: Schema.Array(Author),
      months: Schema.Array(Month).annotate({ description: "Newest first, `month` as YYYY-MM in UTC" }),
      truncated: Schema.Boolean.annotate({ description: "True when authors or months were left out of the lists" })
    }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const start = yield* resolveCommit(git, repository, input.ref)
      const counter = makeCounter()
      yield* git.lines(
        repository,
        [
          "log",
          "--numstat",
          "--format=tformat:%x01%at%x00%ae%x00%an",
          "--encoding=UTF-8",
          "--find-renames",
          "--no-ext-diff",
          "--no-textconv",
          "--no-show-signature",
          "--no-color",
          "--no-mailmap",
          ...at("since", input.since),
          ...at("until", input.until),
          "--end-of-options",
          start,
          ...pathArgs(input.path)
        ],
        counter.line
      )
      return { repository: repository.name, ...counter.result(input.limit) }
    })
  })
