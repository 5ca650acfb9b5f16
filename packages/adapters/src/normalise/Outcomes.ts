import { inWords, shortSha } from "./Describe.ts"

/** States and conclusions of runs, checks and deployments as people say them. */
const outcomes = new Map([
  ["success", "succeeded"],
  ["failure", "failed"],
  ["failed", "failed"],
  ["running", "is running"],
  ["canceled", "was cancelled"],
  ["canceling", "is being cancelled"],
  ["error", "failed with an error"],
  ["cancelled", "was cancelled"],
  ["skipped", "was skipped"],
  ["timed_out", "failed because it timed out"],
  ["action_required", "needs someone to act"],
  ["neutral", "finished with a neutral result"],
  ["stale", "became stale"],
  ["startup_failure", "failed to start"],
  ["in_progress", "is running"],
  ["inactive", "became inactive"],
  ["requested", "was requested"],
  ["completed", "completed"],
  ["built", "succeeded"],
  ["errored", "failed with an error"]
])

/** A state as the end of a sentence about what is in it: "failed", "is queued". */
export const outcome = (state: string | undefined) =>
  state === undefined ? "changed" : (outcomes.get(state) ?? `is ${inWords(state)}`)

/** " on the branch main at the commit 1234567", as far as they are known. */
export const onBranch = (branch: string | undefined, sha: string | undefined) => {
  const commit = shortSha(sha)
  const where = branch === undefined ? "" : ` on the branch ${branch}`
  return `${where}${commit === undefined ? "" : ` at the commit ${commit}`}`
}
