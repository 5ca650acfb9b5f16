import { ApiKeySecret } from "@devops-mcp/core/access/ApiKeySecret"
import { Bootstrap } from "@devops-mcp/core/access/Bootstrap"
import { Config, Effect, Layer, Option, Redacted, Schema } from "effect"

const bootstrapKey = Config.option(
  Config.schema(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.makeFilter(Schema.is(ApiKeySecret), { expected: "'dmk_' and 32 to 200 characters of A-Z, a-z, 0-9, _ and -" })
      )
    ),
    "DEVOPS_MCP_BOOTSTRAP_API_KEY"
  )
)

/** Has the key of `DEVOPS_MCP_BOOTSTRAP_API_KEY` work; answers whether there is one. */
export const useBootstrapKey = Effect.gen(function*() {
  const bootstrap = yield* Bootstrap
  const key = yield* bootstrapKey
  if (Option.isSome(key)) yield* bootstrap.withKey(Redacted.make(Redacted.value(key.value)))
  return Option.isSome(key)
})

/** For programs that are started by machines: no key is invented, the configured one works. */
export const BootstrapKeyLive = Layer.effectDiscard(useBootstrapKey)
