import { shortSha } from "./Describe.ts"
import type { Payload } from "./Payload.ts"
import { shortened } from "./Text.ts"

/** A commit in a list of them. */
export const commitInWords = (sha: string | undefined, author: string | undefined, message: string | undefined) =>
  `${shortSha(sha) ?? "commit"} by ${author ?? "someone"}: ${shortened(message ?? "no message", 300)}`

/** The files that commits name in these fields, each once. */
export const changedFiles = (commits: ReadonlyArray<Payload>) => {
  const files = commits.flatMap((commit) =>
    ["added", "modified", "removed"].flatMap((field) => commit.list(field).flatMap((file) => file.line() ?? []))
  )
  return files.length === 0 ? undefined : `Files: ${[...new Set(files)].slice(0, 10).join(", ")}.`
}
