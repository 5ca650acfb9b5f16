import { Effect, Schema } from "effect"
import { action, notFound } from "../Action.ts"
import { bounds, Changes, CommitDetail, GitConfig, inputs, Ref, type FileChange } from "./GitSchemas.ts"
import { commitFormat, parseCommits } from "./Log.ts"
import type { Repository } from "./Repositories.ts"
import { pathArgs, resolveCommit, type GitServices } from "./Revisions.ts"

const statuses: Readonly<Record<string, FileChange["status"]>> = {
  A: "added",
  D: "deleted",
  M: "modified",
  R: "renamed",
  C: "copied",
  T: "type_changed"
}

/** Files of `git diff-tree -z --raw --numstat`: all raw records first, then all numbers in the same order. */
export const parseChanges = (text: string): ReadonlyArray<FileChange> => {
  const values = text.split("\0")
  const files: Array<{ path: string; oldPath?: string; status: FileChange["status"] }> = []
  const numbers: Array<readonly [string, string]> = []
  for (let index = 0; index < values.length - 1;) {
    const value = values[index++] ?? ""
    if (value.startsWith(":")) {
      const status = statuses[value.split(" ")[4]?.[0] ?? ""] ?? "modified"
      const moved = status === "renamed" || status === "copied"
      const oldPath = moved ? values[index++] : undefined
      files.push({ path: values[index++] ?? "", status, ...(oldPath === undefined ? {} : { oldPath }) })
    } else {
      const [additions = "", deletions = "", path = ""] = value.split("\t")
      if (path === "") index += 2
      numbers.push([additions, deletions])
    }
  }
  return files.map((file, index) => {
    const [additions, deletions] = numbers[index] ?? ["0", "0"]
    return { ...file, binary: additions === "-", additions: Number(additions) || 0, deletions: Number(deletions) || 0 }
  })
}

/** The patch of each file in `git diff-tree -p`: only a header's line can begin with `diff --git`. */
const splitPatch = (text: string) => text.split(/(?<=\n)(?=diff --git )/)

/** Puts each file's patch beside it and stops at the bounds. A change of type is two patches: one file goes, one comes. */
const withPatches = (
  files: ReadonlyArray<FileChange>,
  patch: { readonly text: string; readonly truncated: boolean }
) => {
  const parts = splitPatch(patch.text)
  let next = 0
  let budget: number = bounds.patches
  return files.map((file) => {
    const count = file.status === "type_changed" ? 2 : 1
    const whole = parts.slice(next, next + count).join("")
    next += count
    if (file.binary) return file
    const cutByGit = patch.truncated && next >= parts.length
    const length = Math.min(bounds.patch, budget)
    const text = whole.length <= length ? whole : whole.slice(0, whole.lastIndexOf("\n", length) + 1)
    budget -= text.length
    return { ...file, patch: text, ...(cutByGit || text.length < whole.length ? { truncated: true } : {}) }
  })
}

const compare = Effect.fnUntraced(function* (
  git: GitServices["git"],
  repository: Repository,
  trees: ReadonlyArray<string>,
  input: { readonly path?: string; readonly patch: boolean; readonly limit: number }
) {
  const common = ["diff-tree", "-r", "--root", "--no-commit-id", "-M", "--no-ext-diff", "--no-textconv", "--no-color"]
  const what = ["--end-of-options", ...trees, ...pathArgs(input.path)]
  const raw = yield* git.output(repository, [...common, "-z", "--raw", "--numstat", ...what])
  const all = parseChanges(raw.text)
  const listed = all.slice(0, input.limit)
  const files = input.patch ? withPatches(listed, yield* git.output(repository, [...common, "-p", ...what])) : listed
  const sum = (key: "additions" | "deletions") => all.reduce((total, file) => total + file[key], 0)
  return {
    stats: { files: all.length, additions: sum("additions"), deletions: sum("deletions") },
    files,
    truncated: raw.truncated || all.length > files.length || files.some((file) => file.truncated === true)
  }
})

/** What lies between two commits. */
export const diff = ({ git, repositories }: GitServices) =>
  action({
    name: "diff",
    title: "Compare two revisions",
    description:
      "Shows what changed between two branches, tags or commits: every file with its added and removed lines, and the patch. For a pull request set `mergeBase` to true: only what `to` changed since it left `from`.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      from: Ref.annotate({ description: "The older side: branch, tag or commit" }),
      to: Schema.optionalKey(Ref.annotate({ description: "The newer side: branch, tag or commit. Default: HEAD" })),
      mergeBase: Schema.Boolean.annotate({
        description: "Compare with the point where `to` left `from`, as `git diff from...to`",
        default: false
      }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
      path: inputs.pathFilter,
      patch: inputs.patch,
      limit: inputs.limit
    }),
    output: Schema.Struct({ repository: Schema.String, from: Schema.String, to: Schema.String, ...Changes }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const to = yield* resolveCommit(git, repository, input.to)
      const given = yield* resolveCommit(git, repository, input.from)
      const base = input.mergeBase
        ? yield* git.run(repository, ["merge-base", "--end-of-options", given, to])
        : undefined
      if (base !== undefined && base.exitCode !== 0) {
        return yield* notFound(
          `'${input.from}' and '${input.to ?? "HEAD"}' have no common ancestor; leave out \`mergeBase\``
        )
      }
      const from = base?.text.trim() ?? given
      return { repository: repository.name, from, to, ...(yield* compare(git, repository, [from, to], input)) }
    })
  })

/** One commit and what it changed; a merge is compared with its first parent. */
export const show = ({ git, repositories }: GitServices) =>
  action({
    name: "show",
    title: "Show a commit",
    description:
      "Shows one commit: author, time, whole message, parents, the files it changed with their added and removed lines, and the patch. A merge is compared with its first parent.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({
      repository: inputs.repository,
      ref: inputs.ref,
      path: inputs.pathFilter,
      patch: inputs.patch,
      limit: inputs.limit
    }),
    output: Schema.Struct({ repository: Schema.String, commit: CommitDetail, ...Changes }),
    run: Effect.fnUntraced(function* (input, config) {
      const repository = yield* repositories.resolve(config, input.repository)
      const sha = yield* resolveCommit(git, repository, input.ref)
      const header = yield* git.output(repository, [
        "log",
        ...commitFormat,
        "--max-count=1",
        "--end-of-options",
        sha,
        "--"
      ])
      const [commit] = parseCommits(header.text, bounds.content)
      if (commit === undefined) return yield* notFound(`The commit ${sha} of '${repository.name}' is too large to show`)
      const trees = [...commit.parents.slice(0, 1), sha]
      return {
        repository: repository.name,
        commit,
        ...(yield* compare(git, repository, trees, input))
      }
    })
  })
