import { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { Effect, Schema } from "effect"
import { action, invalidArguments } from "../Action.ts"
import { bounds, GitConfig, inputs, isOneLine, nextCursor } from "./GitSchemas.ts"
import { cut, page, pathArgs, resolveCommit, type GitServices } from "./Revisions.ts"

const Match = Schema.Struct({ path: Schema.String, line: Schema.Int, text: Schema.String }).annotate({
  identifier: "Match"
})

/** Matches of `git grep -z -n SHA`: `SHA:path NUL line NUL text LF`, where only the path may hold a line feed. */
export const parseMatches = (output: string, sha: string): ReadonlyArray<typeof Match.Type> => {
  const matches: Array<typeof Match.Type> = []
  for (let from = 0; from < output.length;) {
    const pathEnd = output.indexOf("\0", from)
    const lineEnd = output.indexOf("\0", pathEnd + 1)
    const textEnd = output.indexOf("\n", lineEnd + 1)
    if (pathEnd < 0 || lineEnd < 0 || textEnd < 0) break
    matches.push({
      path: output.slice(from + sha.length + 1, pathEnd),
      line: Number(output.slice(pathEnd + 1, lineEnd)),
      text: cut(output.slice(lineEnd + 1, textEnd), bounds.line)
    })
    from = textEnd + 1
  }
  return matches
}

/** Lines of a revision's files that hold a text. */
export const grep = ({ git, repositories }: GitServices) =>
  action({
    name: "grep",
    title: "Search file contents",
    description:
      "Searches the files of a branch, tag or commit for a text and gives the matching lines with path and line number. The pattern is plain text unless `regex` is true. Binary files are skipped. Read around a match with `file`.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      pattern: Schema.String.check(Schema.isBetweenLength(1, 500), isOneLine).annotate({
        description: "The text to find, within one line"
      }),
      regex: Schema.Boolean.annotate({
        description: "Take the pattern as a POSIX extended regular expression ([0-9], not \\d)",
        default: false
      }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
      ignoreCase: Schema.Boolean.annotate({ description: "Upper and lower case are the same", default: false }).pipe(
        Schema.withDecodingDefaultKey(Effect.succeed(false))
      ),
      ref: inputs.ref,
      path: inputs.pathFilter,
      limit: inputs.limit,
      cursor: inputs.cursor
    }),
    output: Schema.Struct({
      repository: Schema.String,
      commit: Schema.String,
      matches: Schema.Array(Match),
      nextCursor,
      truncated: Schema.Boolean.annotate({
        description: "True when there are more matches than can be paged through; narrow by `path` or `pattern`"
      })
    }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const commit = yield* resolveCommit(git, repository, input.ref)
      const { errorText, exitCode, text, truncated } = yield* git.run(repository, [
        "grep",
        "-z",
        "-n",
        "-I",
        "--full-name",
        "--no-color",
        "--no-column",
        "--no-textconv",
        "--no-recurse-submodules",
        "--threads=1",
        input.regex ? "-E" : "-F",
        ...(input.ignoreCase ? ["-i"] : []),
        "-e",
        input.pattern,
        commit,
        ...pathArgs(input.path)
      ])
      // 1 is git's word for "no match".
      if (exitCode > 1) {
        const wrong = /^fatal: (?:-e option|command line), '[^]*': (.*)\n$/.exec(errorText)?.[1]
        return yield* input.regex && wrong !== undefined
          ? invalidArguments(`The pattern is not a POSIX extended regular expression: ${wrong}`)
          : new ToolFailure({ code: "failed", detail: `git could not search '${repository.name}'`, retryable: false })
      }
      const { items, nextCursor } = page(parseMatches(text, commit), Number(input.cursor ?? 0), input.limit)
      return { repository: repository.name, commit, matches: items, nextCursor, truncated }
    })
  })
