import { Context, Effect } from "effect"

/**
 * The server was asked to stop: whoever keeps a connection open for its own sake ends it when `begun` succeeds, so that
 * only requests with something to answer use up the time that is left. Never, where nothing is served over HTTP.
 */
export const Draining = Context.Reference<{ readonly begun: Effect.Effect<void> }>(
  "@devops-mcp/infrastructure/Draining",
  { defaultValue: () => ({ begun: Effect.never }) }
)
