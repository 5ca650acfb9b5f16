import { Config, Effect, Option, Schema } from "effect"

/** Standard input carries no credential, so the environment has to. */
export class MissingApiKey extends Schema.TaggedError<MissingApiKey>()(
  "@devops-mcp/mcp-server/StdioApiKey/MissingApiKey",
  {}
) {
  override get message() {
    return "MCP over standard input needs an API key in DEVOPS_MCP_API_KEY"
  }
}

/** The key of whoever started this process. */
export const stdioApiKey = Config.option(Config.Redacted("DEVOPS_MCP_API_KEY")).pipe(
  Effect.flatMap(Option.match({ onNone: () => Effect.fail(new MissingApiKey()), onSome: Effect.succeed }))
)
