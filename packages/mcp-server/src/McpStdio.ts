import { Authentication } from "@devops-mcp/core/access/Authentication"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import { Config, Deferred, Effect, Option, References, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Caller } from "./edge/Caller.ts"
import { makeSdkServer, sdkReporter } from "./edge/SdkServer.ts"
import { closedSignal, makeStdioTransport, type StdioStreams } from "./edge/StdioStreams.ts"
import { ToolRegistry } from "./registry/ToolRegistry.ts"

/** Standard input carries no credential, so the environment has to. */
export class MissingApiKey extends Schema.TaggedError<MissingApiKey>()(
  "@devops-mcp/mcp-server/McpStdio/MissingApiKey",
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

const serve = Effect.fn("McpStdio.serve")(
  function*(streams: StdioStreams | undefined) {
    const registry = yield* ToolRegistry
    const authentication = yield* Authentication
    const random = yield* SecureRandom.SecureRandom
    const apiKey = yield* stdioApiKey
    yield* authentication.authenticate(apiKey)

    const context = yield* Effect.context<never>()
    const caller = new Caller({
      principal: authentication.authenticate(apiKey),
      requestId: random.uuidV7(),
      context
    })
    const transport = yield* makeStdioTransport(streams)
    const { closed } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const handle = serveStdio(() => makeSdkServer(registry, caller), { transport, onerror: sdkReporter(context) })
        return { handle, closed: closedSignal(transport) }
      }),
      ({ handle }) => Effect.promise(() => handle.close())
    )
    yield* Deferred.await(closed)
  },
  Effect.scoped,
  Effect.provideService(References.LogToStderr, true)
)

/**
 * Serves MCP over standard input and output until the client closes its end; the SDK settles the revision with the
 * first message. The key is checked at the start and again with every call. Standard output belongs to the protocol, so
 * logs go to standard error.
 */
export const serveMcpStdio = (streams?: StdioStreams) => serve(streams)
