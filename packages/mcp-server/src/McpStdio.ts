import { Authentication } from "@devops-mcp/core/access/Authentication"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Clock, Deferred, Effect, References } from "effect"
import { SecureRandom } from "effect/crypto"
import { openConnection } from "./edge/Connection.ts"
import { Registries } from "./edge/Registries.ts"
import { closedSignal, makeStdioTransport, type StdioStreams } from "./edge/StdioStreams.ts"
import { wholeCatalogue } from "./registry/View.ts"
import { stdioApiKey } from "./StdioApiKey.ts"

/** That the client begins, and that it ends when its scope does. */
const onRecord = Effect.fnUntraced(function* (
  { audit }: Registries["Service"],
  principal: Principal,
  requestId: string
) {
  const startedAt = yield* Clock.currentTimeMillis
  const act = { principal, outcome: "ok", changes: false, requestId } as const
  yield* audit.record({ ...act, action: "mcp.stdio", durationMs: 0 })
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      audit.record({ ...act, action: "mcp.stdio_end", durationMs: now - startedAt })
    )
  )
})

const serve = Effect.fn("McpStdio.serve")(
  function* (streams: StdioStreams | undefined) {
    const registries = yield* Registries
    const authentication = yield* Authentication
    const random = yield* SecureRandom.SecureRandom
    const apiKey = yield* stdioApiKey
    const caller = yield* authentication.authenticate(apiKey)
    yield* onRecord(registries, caller, yield* random.uuidV7())

    const context = yield* Effect.context<never>()
    const transport = yield* makeStdioTransport(streams)
    const { closed, connection } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const connection = openConnection({
          registries,
          transport,
          admitted: caller,
          context,
          principal: authentication.authenticate(apiKey),
          requestId: random.uuidV7(),
          view: wholeCatalogue
        })
        return { connection, closed: closedSignal(transport) }
      }),
      ({ connection }) => Effect.promise(() => connection.close())
    )
    yield* registries.changes.listen(connection.hear)
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
