import { Authentication } from "@devops-mcp/core/access/Authentication"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import { Deferred, Effect, References } from "effect"
import { SecureRandom } from "effect/crypto"
import { Caller } from "./edge/Caller.ts"
import { makeSdkServer, sdkReporter } from "./edge/SdkServer.ts"
import { closedSignal, makeStdioTransport, type StdioStreams } from "./edge/StdioStreams.ts"
import { ToolRegistry } from "./registry/ToolRegistry.ts"
import { stdioApiKey } from "./StdioApiKey.ts"

const serve = Effect.fn("McpStdio.serve")(
  function* (streams: StdioStreams | undefined) {
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
