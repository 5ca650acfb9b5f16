import { Effect } from "effect"
import { ensureTemplate } from "./TestDatabase.ts"

/** Runs once before a project's tests. */
export const setup = () => Effect.runPromise(ensureTemplate)
