import { Timestamp } from "@devops-mcp/domain/Fields"
import { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { Effect, Schema } from "effect"
import { action, invalidArguments } from "../Action.ts"
import { findFile, lineRange } from "./File.ts"
import { bounds, GitConfig, inputs, nextLine, RepositoryPath } from "./GitSchemas.ts"
import { cut, resolveCommit, timestamp, type GitServices } from "./Revisions.ts"

const BlameLine = Schema.Struct({
  line: Schema.Int,
  sha: Schema.String,
  author: Schema.String,
  date: Timestamp,
  text: Schema.String
}).annotate({ identifier: "BlameLine" })

/** Lines of `git blame --porcelain`: a commit's facts come with its first line only, every text after a tab. */
export const parseBlame = (output: string): ReadonlyArray<typeof BlameLine.Type> => {
  const commits = new Map<string, { author: string; time: string }>()
  const lines: Array<typeof BlameLine.Type> = []
  let line = 0
  let sha = ""
  for (const row of output.split("\n")) {
    const header = /^([0-9a-f]{40,64}) \d+ (\d+)( \d+)?$/.exec(row)
    const commit = commits.get(sha)
    if (row.startsWith("\t")) {
      lines.push({
        line,
        sha,
        author: commit?.author ?? "",
        date: timestamp(commit?.time ?? "0"),
        text: cut(row.slice(1), bounds.line)
      })
    } else if (header !== null) {
      sha = header[1] ?? ""
      line = Number(header[2])
      if (!commits.has(sha)) commits.set(sha, { author: "", time: "0" })
    } else if (commit !== undefined && row.startsWith("author ")) {
      commit.author = row.slice("author ".length)
    } else if (commit !== undefined && row.startsWith("author-time ")) {
      commit.time = row.slice("author-time ".length)
    }
  }
  return lines
}

/** Who last changed each line of a file. */
export const blame = ({ git, repositories }: GitServices) =>
  action({
    name: "blame",
    title: "Blame a file",
    description:
      "Says for each line of a file which commit last changed it, by whom and when. Give `startLine` and `endLine`: a long file is answered in parts, `nextLine` says where to go on.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      path: RepositoryPath.annotate({ description: "The file, relative to the repository's top" }),
      ref: inputs.ref,
      startLine: inputs.startLine,
      endLine: inputs.endLine
    }),
    output: Schema.Struct({
      repository: Schema.String,
      commit: Schema.String,
      path: Schema.String,
      lines: Schema.Array(BlameLine),
      nextLine
    }),
    run: Effect.fnUntraced(function* (input, config) {
      const range = yield* lineRange(input)
      const repository = yield* repositories.resolve(config, input.repository)
      const commit = yield* resolveCommit(git, repository, input.ref)
      const entry = yield* findFile(git, repository, commit, input.path)
      const found = { repository: repository.name, commit, path: input.path }
      if (entry.size === 0) return { ...found, lines: [], nextLine: null }
      const { errorText, exitCode, text, truncated } = yield* git.run(repository, [
        "blame",
        "--porcelain",
        "--no-textconv",
        // The repository's `blame.ignoreRevsFile` names any file, whose first line git would quote in its complaint.
        "--no-ignore-revs-file",
        "--encoding=UTF-8",
        // One line more than is given tells whether there is more.
        `-L${range.start},${range.end + 1}`,
        commit,
        "--",
        input.path.replace(/^(\.\/+)+/, "")
      ])
      const only = /has only (\d+) lines?/.exec(errorText)?.[1]
      if (exitCode !== 0 && only !== undefined) {
        return yield* invalidArguments(`'${input.path}' has only ${only} lines`)
      }
      if (exitCode !== 0) {
        return yield* new ToolFailure({
          code: "failed",
          detail: `git could not blame '${input.path}'`,
          retryable: false
        })
      }
      const lines = parseBlame(text.slice(0, text.lastIndexOf("\n") + 1))
      const shown = lines.filter(({ line }) => line <= range.end)
      const last = shown.at(-1)?.line ?? range.start
      const more = truncated || lines.length > shown.length
      return { ...found, lines: shown, nextLine: more ? last + 1 : null }
    })
  })
