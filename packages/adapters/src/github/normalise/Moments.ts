import type { Payload } from "../../normalise/Payload.ts"

/** When an action was, by GitHub's naming: `closed` at `closed_at`, others at `updated_at`; a deletion has no time. */
export const momentOf = (thing: Payload, action: string) =>
  action === "deleted"
    ? []
    : [thing.time(action === "opened" ? "created_at" : `${action}_at`), thing.time("updated_at")]
