import { Bootstrap } from "@devops-mcp/core/access/Bootstrap"
import { Effect, Layer, Option, Redacted } from "effect"
import { bootstrapKey } from "./Settings.ts"

/** Has the key of `DEVOPS_MCP_BOOTSTRAP_API_KEY` work; answers whether there is one. */
export const useBootstrapKey = Effect.gen(function* () {
  const bootstrap = yield* Bootstrap
  const key = yield* bootstrapKey
  if (Option.isSome(key)) yield* bootstrap.withKey(Redacted.make(Redacted.value(key.value)))
  return Option.isSome(key)
})

/** For programs that are started by machines: no key is invented, the configured one works. */
export const BootstrapKeyLive = Layer.effectDiscard(useBootstrapKey)
