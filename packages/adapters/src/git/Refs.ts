import { Timestamp } from "@devops-mcp/domain/Fields"
import { Effect, Schema } from "effect"
import { action } from "../Action.ts"
import { bounds, GitConfig, inputs, nextCursor } from "./GitSchemas.ts"
import type { Repository } from "./Repositories.ts"
import { cut, page, records, timestamp, type GitServices } from "./Revisions.ts"

/** Refs newest first; one more than the page, so that the caller learns whether there are more. */
const readRefs = Effect.fnUntraced(function* (
  git: GitServices["git"],
  repository: Repository,
  options: { readonly prefixes: ReadonlyArray<string>; readonly fields: ReadonlyArray<string>; readonly count: number }
) {
  const { text } = yield* git.output(repository, [
    "for-each-ref",
    "--sort=refname",
    "--sort=-creatordate",
    `--count=${options.count}`,
    `--format=${options.fields.map((field) => `%(${field})%00`).join("")}`,
    ...options.prefixes
  ])
  // Git ends each record with a line feed, which so begins the next record's first field.
  return records(text, options.fields.length).map(([first = "", ...rest]) => [first.replace(/^\n/, ""), ...rest])
})

const Branch = Schema.Struct({
  name: Schema.String,
  remote: Schema.Boolean,
  current: Schema.Boolean,
  sha: Schema.String,
  author: Schema.String,
  date: Timestamp,
  subject: Schema.String
}).annotate({ identifier: "Branch" })

/** Branches with their last commit. */
export const branches = ({ git, repositories }: GitServices) =>
  action({
    name: "branches",
    title: "List branches",
    description:
      "Lists the branches of a Git repository with their last commit, the most recently changed first. `current` marks the one HEAD is on.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      remote: Schema.Boolean.annotate({
        description: "Also list remote-tracking branches such as `origin/main`",
        default: false
      }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
      limit: inputs.limit,
      cursor: inputs.cursor
    }),
    output: Schema.Struct({ repository: Schema.String, branches: Schema.Array(Branch), nextCursor }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const offset = Number(input.cursor ?? 0)
      const rows = yield* readRefs(git, repository, {
        prefixes: input.remote ? ["refs/heads", "refs/remotes"] : ["refs/heads"],
        fields: ["refname", "HEAD", "objectname", "authorname", "creatordate:unix", "contents:subject", "symref"],
        count: offset + input.limit + 1
      })
      const { items, nextCursor } = page(rows, offset, input.limit)
      // A symbolic ref such as `origin/HEAD` is a second name of another branch.
      const own = items.filter((row) => row[6] === "")
      return {
        repository: repository.name,
        branches: own.map(([refname = "", head = "", sha = "", author = "", time = "", subject = ""]) => ({
          name: refname.replace(/^refs\/(heads|remotes)\//, ""),
          remote: refname.startsWith("refs/remotes/"),
          current: head === "*",
          sha,
          author,
          date: timestamp(time),
          subject: cut(subject, bounds.line)
        })),
        nextCursor
      }
    })
  })

const Tag = Schema.Struct({
  name: Schema.String,
  sha: Schema.String.annotate({ description: "The commit the tag names" }),
  annotated: Schema.Boolean,
  date: Timestamp,
  tagger: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Tag" })

/** Tags with the commits they name. */
export const tags = ({ git, repositories }: GitServices) =>
  action({
    name: "tags",
    title: "List tags",
    description:
      "Lists the tags of a Git repository, the newest first, with the commit each names and, for annotated tags, who made it and its message.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({ repository: inputs.repository, limit: inputs.limit, cursor: inputs.cursor }),
    output: Schema.Struct({ repository: Schema.String, tags: Schema.Array(Tag), nextCursor }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const offset = Number(input.cursor ?? 0)
      const rows = yield* readRefs(git, repository, {
        prefixes: ["refs/tags"],
        fields: [
          "refname",
          "objectname",
          "objecttype",
          "*objectname",
          "creatordate:unix",
          "taggername",
          "contents:subject",
          "contents:body"
        ],
        count: offset + input.limit + 1
      })
      const { items, nextCursor } = page(rows, offset, input.limit)
      return {
        repository: repository.name,
        tags: items.map(
          ([refname = "", object = "", type = "", peeled = "", time = "", tagger = "", subject = "", body = ""]) => {
            const annotated = type === "tag"
            const message = cut([subject, body.trimEnd()].filter((part) => part !== "").join("\n\n"), bounds.body)
            return {
              name: refname.replace(/^refs\/tags\//, ""),
              sha: annotated ? peeled : object,
              annotated,
              date: timestamp(time),
              ...(annotated ? { tagger, message } : {})
            }
          }
        ),
        nextCursor
      }
    })
  })
