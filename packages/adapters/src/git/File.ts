import { Effect, Schema } from "effect"
import { action, invalidArguments, notFound } from "../Action.ts"
import { bounds, GitConfig, inputs, nextLine, RepositoryPath } from "./GitSchemas.ts"
import type { Repository } from "./Repositories.ts"
import { cut, resolveCommit, type GitServices } from "./Revisions.ts"

interface Entry {
  readonly type: "file" | "executable" | "symlink"
  readonly blob: string
  readonly size: number
}

const types: Readonly<Record<string, Entry["type"]>> = { "100644": "file", "100755": "executable", "120000": "symlink" }

/** The file at a path of a commit; a folder is refused with what it holds, so that the caller can go on. */
export const findFile = Effect.fnUntraced(function* (
  git: GitServices["git"],
  repository: Repository,
  sha: string,
  path: string
) {
  const tree = (name: string) =>
    git
      .output(repository, ["ls-tree", "-z", "--long", "--full-tree", sha, "--", name])
      .pipe(Effect.map(({ text }) => text.split("\0").slice(0, -1)))
  const trimmed = path.replace(/^(\.\/+)+/, "").replace(/\/+$/, "")
  const [line] = yield* tree(trimmed)
  const [, mode = "", kind = "", blob = "", size = ""] = /^(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t/.exec(line ?? "") ?? []
  if (kind === "tree") {
    const entries = yield* tree(`${trimmed}/`)
    const names = entries.slice(0, 100).map((entry) => {
      const name = entry.slice(entry.indexOf("\t") + 1 + trimmed.length + 1)
      return entry.split(" ")[1] === "tree" ? `${name}/` : name
    })
    return yield* invalidArguments(
      `'${path}' is a folder; it holds ${entries.length} entries: ${cut(names.join(", "), bounds.body)}`
    )
  }
  const type = types[mode]
  if (kind !== "blob" || type === undefined) {
    return yield* notFound(`There is no file '${path}' at ${sha.slice(0, 12)} in the repository '${repository.name}'`)
  }
  return { type, blob, size: Number(size) } satisfies Entry
})

/** The first and last line to give, or the failure that says why the two contradict each other. */
export const lineRange = (input: { readonly startLine: number; readonly endLine?: number }) => {
  if (input.endLine !== undefined && input.endLine < input.startLine) {
    return Effect.fail(invalidArguments("`endLine` must not be less than `startLine`"))
  }
  const wanted = input.endLine ?? input.startLine + bounds.defaultLines - 1
  return Effect.succeed({ start: input.startLine, end: Math.min(wanted, input.startLine + bounds.lines - 1) })
}

/** Whole lines from `start` on, as many as fit. The text of the last line may be cut when it alone is too long. */
const sliceLines = (lines: ReadonlyArray<string>, start: number, end: number) => {
  const shown: Array<string> = []
  let length = 0
  for (const line of lines.slice(start - 1, end)) {
    if (shown.length > 0 && length + line.length > bounds.content) break
    shown.push(cut(line, bounds.content))
    length += line.length
  }
  return shown
}

/** One file as it was at a revision. */
export const file = ({ git, repositories }: GitServices) =>
  action({
    name: "file",
    title: "Read a file at a revision",
    description:
      "Reads a file as it was at a branch, tag or commit. Give `startLine` and `endLine` for a part; `nextLine` says where to go on. Binary files are described, not given; a folder is refused with the names in it.",
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
      type: Schema.Literals(["file", "executable", "symlink"]),
      size: Schema.Int.annotate({ description: "Bytes of the whole file" }),
      binary: Schema.Boolean,
      startLine: Schema.Int,
      endLine: Schema.Int,
      content: Schema.String,
      nextLine,
      truncated: Schema.Boolean.annotate({ description: "True when the file is longer than can be read at all" })
    }),
    run: Effect.fnUntraced(function* (input, config) {
      const range = yield* lineRange(input)
      const repository = yield* repositories.resolve(config, input.repository)
      const commit = yield* resolveCommit(git, repository, input.ref)
      const { blob, size, type } = yield* findFile(git, repository, commit, input.path)
      const { text, truncated } = yield* git.output(repository, ["cat-file", "blob", blob])
      const binary = text.slice(0, 8000).includes("\0")
      const lines = binary || text === "" ? [] : text.split("\n")
      const ended = lines.at(-1) === "" && !truncated
      const count = ended ? lines.length - 1 : lines.length
      if (range.start > Math.max(count, 1) && !binary) {
        return yield* invalidArguments(
          truncated
            ? `Only the first ${count} lines of '${input.path}' can be read; it is too long`
            : `'${input.path}' has only ${count} lines`
        )
      }
      const shown = sliceLines(lines.slice(0, count), range.start, range.end)
      const endLine = range.start + shown.length - 1
      const newline = shown.length > 0 && (endLine < count || ended) ? "\n" : ""
      return {
        repository: repository.name,
        commit,
        path: input.path,
        type,
        size,
        binary,
        startLine: range.start,
        endLine,
        content: shown.join("\n") + newline,
        nextLine: endLine < count ? endLine + 1 : null,
        truncated
      }
    })
  })
