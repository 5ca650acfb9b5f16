import { RequestId } from "@devops-mcp/observability/RequestContext"
import {
  type CallToolResult,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  type ListToolsResult,
  ProtocolError,
  Server
} from "@modelcontextprotocol/server"
import { Cause, type Context, Duration, Effect, Schema } from "effect"
import manifest from "../../package.json" with { type: "json" }
import type { RegisteredTool, ToolOutcome } from "../registry/RegisteredTool.ts"
import type { ToolRegistry } from "../registry/ToolRegistry.ts"
import type { Caller } from "./Caller.ts"
import { instructions } from "./Instructions.ts"
import { pageOf } from "./Listing.ts"

/** How long clients may keep a tool list. It depends on the caller's permissions, so only for themselves. */
const listCache = { ttlMs: Duration.toMillis(Duration.minutes(1)), cacheScope: "private" as const }

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/**
 * An error goes out as text alone, a sentence and then the same for programs: older SDK clients hold a failed call's
 * structured content against the tool's `outputSchema` as well.
 */
const resultOf = (outcome: ToolOutcome): CallToolResult =>
  outcome._tag === "Result"
    ? { content: [{ type: "text", text: outcome.text }], structuredContent: { ...outcome.structured } }
    : {
        content: [
          { type: "text", text: outcome.error.detail },
          { type: "text", text: encodeJson({ error: outcome.error }) }
        ],
        isError: true
      }

/** Revisions before 2025-06-18 know a title among the annotations only. */
const listedTool = (tool: RegisteredTool): ListToolsResult["tools"][number] => ({
  ...tool,
  annotations: { title: tool.title, ...tool.annotations }
})

/** What is left after the typed failures is our fault: it is logged, and the client learns nothing of it. */
const scrub = (cause: Cause.Cause<ProtocolError>) =>
  Cause.hasDies(cause)
    ? Effect.andThen(
        Effect.logError("An MCP request died", cause),
        Effect.fail(new ProtocolError(INTERNAL_ERROR, "Internal error"))
      )
    : Effect.failCause(cause)

/** Where the SDK tells what it refused or could not send; clients were answered already. */
export const sdkReporter =
  (context: Context.Context<never>) =>
  (error: Error): void => {
    Effect.runForkWith(context)(Effect.logDebug("The SDK reports", error))
  }

/**
 * The SDK's server for one request or connection: it speaks the protocol, the registry does the work. A client that
 * goes away or cancels aborts the SDK's signal, which interrupts the handler's fiber.
 */
export const makeSdkServer = (registry: ToolRegistry["Service"], caller: Caller): Server => {
  const server = new Server(
    { name: "devops-mcp", title: "DevOps MCP", version: manifest.version },
    { capabilities: { tools: {} }, instructions, cacheHints: { "tools/list": listCache } }
  )

  const run = <A>(handle: (requestId: string) => Effect.Effect<A, ProtocolError>, signal: AbortSignal): Promise<A> =>
    Effect.runPromiseWith(caller.context)(
      Effect.flatMap(caller.requestId, (requestId) =>
        handle(requestId).pipe(Effect.catchCause(scrub), Effect.provideService(RequestId, requestId))
      ),
      { signal }
    )

  const principal = caller.principal.pipe(Effect.mapError((error) => new ProtocolError(INTERNAL_ERROR, error.message)))

  server.setRequestHandler("tools/list", (request, { mcpReq }) =>
    run(
      Effect.fnUntraced(function* () {
        const tools = yield* registry.list(yield* principal).pipe(
          Effect.tapError((error) => Effect.logWarning("The tools could not be listed", error)),
          Effect.mapError((error) => new ProtocolError(INTERNAL_ERROR, `${error.message}. Try again in a few seconds.`))
        )
        const page = yield* Effect.fromOption(pageOf(tools, request.params?.cursor)).pipe(
          Effect.mapError(() => new ProtocolError(INVALID_PARAMS, "The cursor is not one that tools/list returned"))
        )
        return { ...page, tools: page.tools.map(listedTool) }
      }),
      mcpReq.signal
    )
  )

  server.setRequestHandler("tools/call", ({ params }, { mcpReq }) =>
    run(
      Effect.fnUntraced(function* (requestId: string) {
        const outcome = yield* registry
          .call(yield* principal, requestId, params.name, params.arguments ?? {})
          .pipe(Effect.mapError((unknown) => new ProtocolError(INVALID_PARAMS, unknown.message)))
        return resultOf(outcome)
      }),
      mcpReq.signal
    )
  )

  return server
}
