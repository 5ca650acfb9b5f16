import type { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { DateTime, Effect, Option } from "effect"
import { notFound } from "../Action.ts"
import type { Git } from "./Git.ts"
import type { Repositories, Repository } from "./Repositories.ts"

/** What every action of the adapter is made from. */
export interface GitServices {
  readonly git: Git["Service"]
  readonly repositories: Repositories["Service"]
}

/** The commit a ref names, if there is one. Every later command gets this id and never the caller's own words. */
export const findCommit = Effect.fnUntraced(function* (git: Git["Service"], repository: Repository, ref: string) {
  const { exitCode, text } = yield* git.run(repository, [
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${ref}^{commit}`
  ])
  const sha = text.trim()
  return exitCode === 0 && /^[0-9a-f]{40,64}$/.test(sha) ? Option.some(sha) : Option.none()
})

/** As `findCommit`, HEAD when no ref is given; the failure names what was not found. */
export const resolveCommit = (
  git: Git["Service"],
  repository: Repository,
  ref: string | undefined
): Effect.Effect<string, ToolFailure> =>
  findCommit(git, repository, ref ?? "HEAD").pipe(
    Effect.flatMap(
      Option.match({
        onSome: Effect.succeed,
        onNone: () =>
          notFound(
            ref === undefined
              ? `HEAD of the repository '${repository.name}' has no commit yet; give a \`ref\` from \`branches\``
              : `The repository '${repository.name}' has no commit, branch or tag '${ref}', or the short id is ambiguous`
          )
      })
    )
  )

/** The pathspec arguments, which end the options. */
export const pathArgs = (path: string | undefined) => (path === undefined ? ["--"] : ["--", path])

/** Fields that git ended with NUL, in records of a fixed number of them; a cut last record is left out. */
export const records = (text: string, fields: number): ReadonlyArray<ReadonlyArray<string>> => {
  const values = text.split("\0")
  return Array.from({ length: Math.floor((values.length - 1) / fields) }, (_, index) =>
    values.slice(index * fields, (index + 1) * fields)
  )
}

/** Seconds as git writes them; a time no calendar has is the epoch, as in git itself. */
export const timestamp = (seconds: string) =>
  Option.getOrElse(DateTime.make(Number(seconds) * 1000), () => DateTime.makeUnsafe(0))

/** A page out of one more result than was asked for. */
export const page = <A>(items: ReadonlyArray<A>, offset: number, limit: number) => ({
  items: items.slice(offset, offset + limit),
  nextCursor: items.length > offset + limit ? String(offset + limit) : null
})

/** Text cut to a length, never inside a surrogate pair, the cut shown by an ellipsis. */
export const cut = (text: string, length: number) =>
  text.length <= length ? text : `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "")}…`
