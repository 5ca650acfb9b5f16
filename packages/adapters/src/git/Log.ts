import { Timestamp } from "@devops-mcp/domain/Fields"
import { DateTime, Effect, Option, Schema } from "effect"
import { action } from "../Action.ts"
import { bounds, Commit, GitConfig, inputs, isOneLine, nextCursor, type CommitDetail } from "./GitSchemas.ts"
import { cut, findCommit, pathArgs, records, resolveCommit, timestamp, type GitServices } from "./Revisions.ts"

const fields = ["%H", "%h", "%P", "%an", "%ae", "%at", "%s", "%b"]

/** The arguments that make git write commits for `parseCommits`. */
export const commitFormat = [
  "-z",
  "-s",
  `--format=tformat:${fields.join("%x00")}`,
  "--encoding=UTF-8",
  "--no-show-signature",
  "--no-color",
  "--no-mailmap"
]

/** Commits from the output of `git log` with `commitFormat`; long messages are cut to `maxBody`. */
export const parseCommits = (text: string, maxBody: number): ReadonlyArray<CommitDetail> =>
  records(text, fields.length).map(
    ([sha = "", shortSha = "", parents = "", name = "", email = "", time = "", subject = "", body = ""]) => ({
      sha,
      shortSha,
      parents: parents === "" ? [] : parents.split(" "),
      author: { name, email },
      date: timestamp(time),
      subject: cut(subject, bounds.line),
      body: cut(body.trimEnd(), maxBody)
    })
  )

/** A moment as an argument: git's own reading of dates takes any words and fills in the present time of day. */
const Moment = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/, {
    message: "must be an ISO 8601 date (2026-01-31, meaning 00:00 UTC) or time (2026-01-31T08:00:00Z)"
  })
)

/** An optional moment among the arguments. */
export const moment = (description: string) =>
  Schema.optionalKey(
    Moment.annotate({ description: `${description}, as ISO 8601 date or time` }).pipe(Schema.decodeTo(Timestamp))
  )

const words = (description: string) =>
  Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 200), isOneLine).annotate({ description }))

const Cursor = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{40,64}\.[0-9]{1,7}$/, { message: "must be the `nextCursor` of the previous answer" })
).annotate({ description: "`nextCursor` of the previous answer; new commits in between do not shift the pages" })

/** A moment as an option of `git log`. */
export const at = (option: string, time: DateTime.Utc | undefined) =>
  time === undefined ? [] : [`--${option}=@${Math.floor(DateTime.toEpochMillis(time) / 1000)} +0000`]

/** Commits reachable from a ref, newest first. */
export const log = ({ git, repositories }: GitServices) =>
  action({
    name: "log",
    title: "List commits",
    description:
      "Lists commits of a Git repository, newest first: who changed what when, with the whole message. Filter by file or folder, author, message and time. Follow with `show` for what one commit changed.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      ref: inputs.ref,
      path: inputs.pathFilter,
      author: words("Only authors whose name or email contains this, in any case"),
      message: words("Only commits whose message contains this, in any case"),
      since: moment("Only commits made at or after this time"),
      until: moment("Only commits made at or before this time"),
      limit: inputs.limit,
      cursor: Schema.optionalKey(Cursor)
    }),
    output: Schema.Struct({ repository: Schema.String, commits: Schema.Array(Commit), nextCursor }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const [cursorSha, cursorSkip = "0"] = input.cursor?.split(".") ?? []
      const asked = cursorSha ?? input.ref
      const start =
        asked === undefined
          ? yield* findCommit(git, repository, "HEAD")
          : Option.some(yield* resolveCommit(git, repository, asked))
      if (Option.isNone(start)) return { repository: repository.name, commits: [], nextCursor: null }
      const skip = Number(cursorSkip)
      const { text, truncated } = yield* git.output(repository, [
        "log",
        ...commitFormat,
        "--fixed-strings",
        "--regexp-ignore-case",
        `--max-count=${input.limit + 1}`,
        `--skip=${skip}`,
        ...(input.author === undefined ? [] : [`--author=${input.author}`]),
        ...(input.message === undefined ? [] : [`--grep=${input.message}`]),
        ...at("since", input.since),
        ...at("until", input.until),
        "--end-of-options",
        start.value,
        ...pathArgs(input.path)
      ])
      const commits = parseCommits(text, bounds.body)
      const shown = commits.slice(0, input.limit)
      // A single message beyond the output's bound is passed over.
      const next = skip + Math.max(shown.length, 1)
      const more = commits.length > input.limit || truncated
      return { repository: repository.name, commits: shown, nextCursor: more ? `${start.value}.${next}` : null }
    })
  })
