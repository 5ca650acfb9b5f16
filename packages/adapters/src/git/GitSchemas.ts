import { Timestamp } from "@devops-mcp/domain/Fields"
import { Effect, Schema } from "effect"

/** How far one answer goes, whatever the caller asks for. */
export const bounds = {
  limit: 200,
  defaultLimit: 20,
  /** Lines of one `file` or `blame` answer. */
  lines: 1000,
  defaultLines: 200,
  /**
   * Characters of one line, of a commit message in a list, of a file's patch, of all patches, of a file's text; so that a
   * patch or a file is some 15,000 tokens at most, which agents are given whole.
   */
  line: 1000,
  body: 2000,
  patch: 20_000,
  patches: 50_000,
  content: 50_000
} as const

/** An instance's config: it can name fewer folders than the deployment allows, never others. */
export const GitConfig = Schema.Struct({
  roots: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isBetweenLength(1, 4096)))
      .check(Schema.isBetweenLength(1, 50))
      .annotate({
        description: "Folders whose repositories this tool may read; each must lie in a folder of GIT_ROOTS"
      })
  )
})
export type GitConfig = typeof GitConfig.Type

/**
 * A path below something: relative, without `..`, never taken for an option. A filter and not a pattern, for the regular
 * expressions of JSON Schema differ between clients.
 */
const isRelativePath = Schema.makeFilter(
  (path: string) =>
    (!/^[-/]/.test(path) && path !== "" && !path.includes("\0") && !path.split("/").includes("..")) ||
    "must be a relative path without '..' and must not begin with '-' or '/'"
)

const RepositoryName = Schema.String.check(Schema.isMaxLength(1000), isRelativePath).annotate({
  description:
    "Name from `repositories`, or a path relative to a root. May be left out when there is only one repository"
})

/** A commit, branch or tag as people write it; what could be an option, a range or a `ref:path` is refused. */
const isRef = Schema.makeFilter(
  (ref: string) =>
    (ref !== "" && !/^-|\.\.|[\p{Cc}\s:?*[\\]/u.test(ref)) ||
    "must be a branch, a tag or a commit, without spaces, '..' or ':' and not beginning with '-'"
)

/** Text that git compares line by line: a line feed would make two patterns of one. */
export const isOneLine = Schema.makeFilter(
  (text: string) => (!text.includes("\0") && !text.includes("\n")) || "must be one line of text"
)

/** A required ref. */
export const Ref = Schema.String.check(Schema.isMaxLength(250), isRef)

/** A path inside a repository. */
export const RepositoryPath = Schema.String.check(Schema.isMaxLength(4096), isRelativePath)

/** What nearly every action takes. */
export const inputs = {
  repository: Schema.optionalKey(RepositoryName),
  ref: Schema.optionalKey(
    Ref.annotate({ description: "Branch, tag or commit, e.g. `main`, `v1.2.0`, `HEAD~3`. Default: HEAD" })
  ),
  pathFilter: Schema.optionalKey(
    RepositoryPath.annotate({ description: "Only this file or folder, relative to the repository's top" })
  ),
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: bounds.limit }))
    .annotate({ description: "At most this many results", default: bounds.defaultLimit })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(bounds.defaultLimit))),
  cursor: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^\d{1,7}$/, { message: "must be the `nextCursor` of the previous answer" })
    ).annotate({ description: "`nextCursor` of the previous answer" })
  ),
  patch: Schema.Boolean.annotate({
    description: "Whether to give the changed lines; false gives the statistics only",
    default: true
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  startLine: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }))
    .annotate({ description: "First line, counted from 1", default: 1 })
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  endLine: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 })).annotate({
      description: `Last line; at most ${bounds.lines} lines are given. Default: ${bounds.defaultLines} lines from startLine`
    })
  )
}

export const Person = Schema.Struct({ name: Schema.String, email: Schema.String }).annotate({ identifier: "Person" })

const commit = {
  sha: Schema.String,
  shortSha: Schema.String,
  author: Person,
  date: Timestamp,
  subject: Schema.String,
  body: Schema.String
}

export const Commit = Schema.Struct(commit).annotate({ identifier: "Commit" })

/** A commit as `show` gives it, with its parents. */
export const CommitDetail = Schema.Struct({ ...commit, parents: Schema.Array(Schema.String) }).annotate({
  identifier: "CommitDetail"
})
export type CommitDetail = typeof CommitDetail.Type

/** One file of a diff. Binary files have no patch and no line counts. */
export const FileChange = Schema.Struct({
  path: Schema.String,
  oldPath: Schema.optionalKey(Schema.String),
  status: Schema.Literals(["added", "deleted", "modified", "renamed", "copied", "type_changed"]),
  binary: Schema.Boolean,
  additions: Schema.Int,
  deletions: Schema.Int,
  patch: Schema.optionalKey(Schema.String),
  truncated: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "FileChange" })
export type FileChange = typeof FileChange.Type

/** A diff's totals are always of the whole diff unless `truncated`, its `files` at most `limit`. */
export const Changes = {
  stats: Schema.Struct({ files: Schema.Int, additions: Schema.Int, deletions: Schema.Int }),
  files: Schema.Array(FileChange),
  truncated: Schema.Boolean.annotate({ description: "True when files or patch lines were left out; narrow by `path`" })
}

export const nextCursor = Schema.NullOr(Schema.String)
export const nextLine = Schema.NullOr(Schema.Int).annotate({ description: "The `startLine` to go on with" })
