import {
  INTERNAL_ERROR,
  INVALID_PARAMS,
  type JSONRPCRequest,
  ProtocolError,
  type Result,
  Server,
  type ServerContext,
  SUPPORTED_PROTOCOL_VERSIONS
} from "@modelcontextprotocol/server"
import { Cause, type Context, Duration, Effect, Schema } from "effect"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import type { Principal } from "@devops-mcp/domain/Principal"
import manifest from "../../package.json" with { type: "json" }
import { internalError, invalidParams, type ProtocolFailure } from "../registry/ProtocolFailure.ts"
import { tasksExtension } from "../registry/TaskRegistry.ts"
import type { Caller } from "./Caller.ts"
import { requireTasks } from "../registry/TaskRegistry.ts"
import { clientOf } from "./ClientOf.ts"
import { instructions } from "./Instructions.ts"
import { pageOf } from "./Listing.ts"
import { changeOnRecord } from "./ChangeOnRecord.ts"
import type { RecordedTransport } from "./RecordedTransport.ts"
import type { Registries } from "./Registries.ts"
import { resultOf } from "./ToolResults.ts"

/** The newest revision; the SDK has no constant for it. */
export const modernRevision = "2026-07-28"

/** What this server calls itself. */
export const serverInformation = { name: "devops-mcp", title: "DevOps MCP", version: manifest.version }

/** How long clients may keep a list. It depends on the caller's permissions, so only for themselves. */
const listCache = { ttlMs: Duration.toMillis(Duration.minutes(1)), cacheScope: "private" as const }

/** What a resource says may change at any time. */
const readCache = { ttlMs: 0, cacheScope: "private" as const }

/** The same for everyone until the next release. */
const discoverCache = { ttlMs: Duration.toMillis(Duration.hours(1)), cacheScope: "public" as const }

const options = {
  supportedProtocolVersions: [...SUPPORTED_PROTOCOL_VERSIONS, modernRevision],
  capabilities: {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    completions: {},
    logging: {},
    extensions: { [tasksExtension]: {} }
  },
  instructions,
  cacheHints: {
    "server/discover": discoverCache,
    "tools/list": listCache,
    "prompts/list": listCache,
    "resources/list": listCache,
    "resources/templates/list": listCache,
    "resources/read": readCache
  }
}

/** The SDK takes params that do not fit their schema for an error of the server; they are one of the client. */
class EdgeServer extends Server {
  protected override _wrapHandler(
    method: string,
    handler: (request: JSONRPCRequest, context: ServerContext) => Promise<Result>
  ) {
    return super._wrapHandler(method, (request, context) => {
      try {
        return handler(request, context)
      } catch (error) {
        // What fails before there is a promise is the SDK's own check.
        if (error instanceof ProtocolError || !(error instanceof Error)) throw error
        throw new ProtocolError(INVALID_PARAMS, `Invalid params for ${method}: ${error.message}`)
      }
    })
  }
}

/** An instance that serves the newest revision alone, for any number of callers: each message brings its own. */
class ModernServer extends EdgeServer {
  protected override _negotiatedProtocolVersion = modernRevision
}

/** What is left after the typed failures is our fault: it is logged, and the client learns nothing of it. */
const scrub = (cause: Cause.Cause<ProtocolError>) =>
  Cause.hasDies(cause)
    ? Effect.andThen(
        Effect.logError("An MCP request died", cause),
        Effect.fail(new ProtocolError(INTERNAL_ERROR, "Internal error"))
      )
    : Effect.failCause(cause)

const protocolError = ({ code, data, detail }: ProtocolFailure) => new ProtocolError(code, detail, data)

/** Where the SDK tells what it refused or could not send; clients were answered already. */
export const sdkReporter =
  (context: Context.Context<never>) =>
  (error: Error): void => {
    Effect.runForkWith(context)(Effect.logDebug("The SDK reports", error))
  }

export interface SdkServerOptions {
  readonly registries: Registries["Service"]
  /** What the server will be connected to. */
  readonly recorded: RecordedTransport
  /** Who sent the message. */
  readonly callerOf: (context: ServerContext) => Caller
  /** `modern` serves any number of callers at once; the others agree on a revision with their one client first. */
  readonly era: "modern" | "negotiated"
}

const TaskParams = Schema.Struct({ taskId: Schema.String })

/** The Tasks extension's methods are no part of the SDK, so it must be told what they take. */
const taskParams = { params: Schema.toStandardSchemaV1(TaskParams) }

/** The SDK takes `inputResponses` out of every request's params, whatever the method. */
const isAnswers = Schema.is(Schema.JsonObject)

/**
 * The SDK's server: it speaks the protocol, the registries do the work. A client that goes away or cancels aborts the
 * SDK's signal, which interrupts the handler's fiber.
 */
export const makeSdkServer = ({ callerOf, era, recorded, registries }: SdkServerOptions): Server => {
  const server =
    era === "modern" ? new ModernServer(serverInformation, options) : new EdgeServer(serverInformation, options)
  const { audit, prompts, resources, tasks, tools } = registries

  interface Message {
    readonly caller: Caller
    readonly principal: Principal
    readonly requestId: string
  }

  const run = <A>(context: ServerContext, handle: (message: Message) => Effect.Effect<A, ProtocolFailure>) => {
    const caller = callerOf(context)
    const handled = recorded.handle(context.mcpReq.id, (requestId) =>
      caller.principal.pipe(
        Effect.mapError((error) => internalError(error.message)),
        Effect.flatMap((principal) => handle({ caller, principal, requestId })),
        Effect.mapError(protocolError),
        Effect.catchCause(scrub),
        Effect.provideService(RequestId, requestId)
      )
    )
    // The SDK's result types are mutable and know no tasks; results are held against the revision's schemas at run time.
    return Effect.runPromiseWith(caller.context)(handled, { signal: context.mcpReq.signal }) as Promise<never>
  }

  server.setRequestHandler("tools/list", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ caller, principal }) {
        const listed = yield* tools.list(principal, caller.view)
        const page = yield* Effect.fromOption(pageOf(listed, params?.cursor)).pipe(
          Effect.mapError(() => invalidParams("The cursor is not one that tools/list returned"))
        )
        return { ...page, tools: page.tools.map(({ definition }) => definition) }
      })
    )
  )

  server.setRequestHandler("tools/call", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ caller, principal, requestId }) {
        const outcome = yield* tools.call({
          principal,
          requestId,
          view: caller.view,
          name: params.name,
          arguments: params.arguments ?? {},
          client: clientOf(server, context)
        })
        return outcome._tag === "Task" ? { resultType: "task", ...tasks.created(outcome.task) } : resultOf(outcome)
      })
    )
  )

  server.setRequestHandler("resources/list", ({ params }, context) =>
    run(context, ({ principal }) => resources.list(principal, params?.cursor))
  )
  server.setRequestHandler("resources/templates/list", (_, context) =>
    run(context, ({ principal }) => resources.templates(principal))
  )
  server.setRequestHandler("resources/read", ({ params }, context) =>
    run(context, ({ principal, requestId }) => resources.read(principal, requestId, params.uri))
  )
  server.setRequestHandler("resources/subscribe", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ caller: { subscriptions }, principal }) {
        if (subscriptions === undefined) return yield* invalidParams("Here is nothing that could be notified")
        yield* resources.canRead(principal, params.uri)
        yield* Effect.mapError(subscriptions.add(params.uri), ({ message }) => internalError(message))
        return {}
      })
    )
  )
  server.setRequestHandler("resources/unsubscribe", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ caller: { subscriptions } }) {
        if (subscriptions === undefined) return yield* invalidParams("Here is nothing that could be notified")
        yield* Effect.mapError(subscriptions.remove(params.uri), ({ message }) => internalError(message))
        return {}
      })
    )
  )

  server.setRequestHandler("prompts/list", ({ params }, context) =>
    run(context, ({ principal }) => prompts.list(principal, params?.cursor))
  )
  server.setRequestHandler("prompts/get", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ principal }) {
        const { responses } = clientOf(server, context)
        const outcome = yield* prompts.get(principal, params.name, params.arguments ?? {}, responses)
        return outcome._tag === "Messages"
          ? { description: outcome.description, messages: outcome.messages }
          : resultOf(outcome)
      })
    )
  )
  server.setRequestHandler("completion/complete", ({ params }, context) =>
    run(
      context,
      Effect.fnUntraced(function* ({ principal }) {
        const { argument, ref } = params
        const known = params.context?.arguments ?? {}
        const completion =
          ref.type === "ref/prompt"
            ? yield* prompts.complete(principal, ref.name, argument.name, argument.value, known)
            : yield* resources.complete(principal, ref.uri, argument.name, argument.value)
        return { completion }
      })
    )
  )

  const aboutTask = (
    context: ServerContext,
    handle: (principal: Principal) => Effect.Effect<Schema.JsonObject, ProtocolFailure>
  ) =>
    run(context, ({ principal }) =>
      Effect.andThen(requireTasks(clientOf(server, context).capabilities), handle(principal))
    )

  const changeTask = (
    context: ServerContext,
    taskId: string,
    change: (principal: Principal) => Effect.Effect<Schema.JsonObject, ProtocolFailure>
  ) =>
    aboutTask(context, (principal) =>
      changeOnRecord(audit, principal, context.mcpReq.method, taskId)(change(principal))
    )

  server.setRequestHandler("tasks/get", taskParams, ({ taskId }, context) =>
    aboutTask(context, (principal) => tasks.get(principal, taskId))
  )
  server.setRequestHandler("tasks/update", taskParams, ({ taskId }, context) =>
    changeTask(context, taskId, (principal) => {
      const { inputResponses } = context.mcpReq
      return isAnswers(inputResponses)
        ? tasks.update(principal, taskId, inputResponses)
        : Effect.fail(invalidParams("inputResponses is missing"))
    })
  )
  server.setRequestHandler("tasks/cancel", taskParams, ({ taskId }, context) =>
    changeTask(context, taskId, (principal) => tasks.cancel(principal, taskId))
  )

  return server
}
