import { Audit } from "@devops-mcp/core/audit/Audit"
import { allows, authorize } from "@devops-mcp/core/Policy"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { mcpRequestDuration } from "@devops-mcp/observability/Metrics"
import { Cause, Clock, Context, Effect, Exit, Layer, Metric, Option } from "effect"
import { makeActionTools } from "./ActionTools.ts"
import { makeBuiltInTools } from "./BuiltInTools.ts"
import { callToolName, makeDiscoveryTools, unwrap } from "./DiscoveryTools.ts"
import { type CallFailure, toolErrorOf } from "./Failures.ts"
import { internalError, invalidParams, type ProtocolFailure } from "./ProtocolFailure.ts"
import { errorOutcome, type RegisteredTool, type ToolOutcome } from "./RegisteredTool.ts"
import { makeRequestState } from "./RequestState.ts"
import { requireTasks } from "./TaskRegistry.ts"
import type { ToolCall } from "./ToolCall.ts"
import { MoreToolSources, type RunnableTool } from "./ToolSource.ts"
import { inView } from "./ToolViews.ts"
import type { View } from "./View.ts"

/** As MCP has it. */
const maxNameLength = 128

/** Stands for names that callers made up, in metrics and audit rows. */
const unknownName = "unknown"

const auditOutcomeOf = (exit: Exit.Exit<ToolOutcome, unknown>): AuditOutcome => {
  if (Exit.isFailure(exit)) return "failed"
  if (exit.value._tag === "Error") return exit.value.error.code === "forbidden" ? "denied" : "failed"
  return exit.value._tag === "Content" && exit.value.isError ? "failed" : "ok"
}

const measure = (tool: string, outcome: AuditOutcome, durationMs: number) =>
  Effect.andThen(
    Effect.annotateCurrentSpan({ tool, outcome }),
    Metric.update(Metric.withAttributes(mcpRequestDuration, { method: "tools/call", tool, outcome }), durationMs / 1000)
  )

/** Lists of what callers may use that are kept, each of one tenant and one set of scopes. */
const keptLists = 200

type Maps = ReadonlyArray<ReadonlyMap<string, RunnableTool>>

/** Sources give the same map until their tools change. */
const isSame = (some: Maps, others: Maps) => some.every((map, index) => map === others[index])

/** The first source that has a name wins. */
const merged = (maps: Maps): ReadonlyArray<RegisteredTool> => {
  const found = new Map<string, RegisteredTool>()
  for (const map of maps) {
    for (const [name, { tool }] of map) if (!found.has(name)) found.set(name, tool)
  }
  return [...found.values()]
}

/** What `tools_call` stands for, or the call itself. */
interface Aim {
  readonly name: string
  readonly arguments: ToolCall["arguments"]
  readonly view: View
  readonly confirmationToken: string | undefined
}

const isCallFailure = <F extends { readonly _tag: string }>(failure: F): failure is Exclude<F, ProtocolFailure> =>
  failure._tag !== "@devops-mcp/mcp-server/registry/ProtocolFailure"

const storeFailure = (error: StoreError) =>
  Effect.andThen(
    Effect.logWarning("The tools could not be read", error),
    Effect.fail(internalError(`${error.message}. Try again in a few seconds.`))
  )

/**
 * All MCP tools, whatever the transport. A caller is offered exactly the tools that it may use and that its address
 * selects; every call, also a refused or failed one, leaves an audit row and a measurement, and none of its arguments.
 */
export class ToolRegistry extends Context.Service<
  ToolRegistry,
  {
    /** Our own tools first, then the configured tools' actions by name. */
    readonly list: (principal: Principal, view: View) => Effect.Effect<ReadonlyArray<RegisteredTool>, ProtocolFailure>
    /** What a call by this name would run, permitted or not; `tools_call` is what it is about. */
    readonly find: (
      principal: Principal,
      view: View,
      name: string,
      arguments_: ToolCall["arguments"]
    ) => Effect.Effect<Option.Option<RegisteredTool>, ProtocolFailure>
    /** Names of all toolsets of the caller's tenant. */
    readonly toolsets: (principal: Principal) => Effect.Effect<ReadonlySet<string>, StoreError>
    /** An outcome's state is sealed: it is for the client to keep, and nobody else can use it. */
    readonly call: (call: ToolCall) => Effect.Effect<ToolOutcome, ProtocolFailure>
  }
>()("@devops-mcp/mcp-server/registry/ToolRegistry") {
  static readonly layer = Layer.effect(
    ToolRegistry,
    Effect.gen(function* () {
      const audit = yield* Audit
      const requestState = yield* makeRequestState
      const lists = new Map<string, { readonly maps: Maps; readonly tools: ReadonlyArray<RegisteredTool> }>()

      const permitted = (principal: Principal) =>
        Effect.map(maps(principal), (found) => {
          const key = [principal.tenantId, ...principal.scopes].join(" ")
          const known = lists.get(key)
          if (known !== undefined && isSame(known.maps, found)) return known.tools
          const tools = merged(found).filter(({ scope }) => allows(principal, scope))
          // The oldest makes room: a list is quickly made again.
          if (lists.size >= keptLists) for (const [oldest] of lists.entries().take(1)) lists.delete(oldest)
          lists.set(key, { maps: found, tools })
          return tools
        })
      const sources = [
        yield* makeBuiltInTools,
        yield* makeDiscoveryTools(permitted),
        yield* makeActionTools,
        ...(yield* MoreToolSources)
      ]

      const maps = (principal: Principal) => Effect.forEach(sources, (source) => source.tools(principal))

      const lookUp = Effect.fnUntraced(function* (principal: Principal, name: string, view: View) {
        if (name.length > maxNameLength) return undefined
        for (const source of sources) {
          const found = (yield* source.tools(principal)).get(name)
          if (found !== undefined) return inView(view, found.tool) ? found : undefined
        }
        return undefined
      })

      /** Who is offered `tools_call` reaches with it every tool that the address leaves writable or not. */
      const aimOf = Effect.fnUntraced(function* (call: Pick<ToolCall, "name" | "arguments" | "view" | "principal">) {
        const direct: Aim = { ...call, confirmationToken: undefined }
        if (call.name !== callToolName) return direct
        if ((yield* lookUp(call.principal, callToolName, call.view)) === undefined) return direct
        const inner = yield* unwrap(call.arguments)
        return { ...inner, view: { toolsets: undefined, readOnly: call.view.readOnly } } satisfies Aim
      })

      const run = Effect.fnUntraced(function* (call: ToolCall, aim: Aim, { run, tool }: RunnableTool) {
        yield* authorize(call.principal, tool.scope)
        if (tool.execution === "task-required") yield* requireTasks(call.client.capabilities)
        const { principal } = call
        const { sealedState } = call.client
        const state =
          sealedState === undefined
            ? undefined
            : yield* requestState.open(principal, aim.name, aim.arguments, sealedState)
        const outcome = yield* run({
          ...call,
          name: aim.name,
          arguments: aim.arguments,
          confirmationToken: aim.confirmationToken,
          state
        })
        return outcome._tag === "InputRequired" && outcome.state !== undefined
          ? { ...outcome, state: yield* requestState.seal(principal, aim.name, aim.arguments, outcome.state) }
          : outcome
      })

      const explain = (failure: CallFailure) => {
        const error = toolErrorOf(failure)
        const log = error.code === "unavailable" ? Effect.logWarning(error.detail, failure) : Effect.void
        return Effect.as(log, errorOutcome(error.code, error.detail, error.retryable))
      }

      const scrub = (requestId: string) => (cause: Cause.Cause<ProtocolFailure>) =>
        Cause.hasDies(cause)
          ? Effect.as(
              Effect.logError("A tool call died", cause),
              errorOutcome("internal", `Internal error; it is logged under the request id ${requestId}.`, false)
            )
          : Effect.failCause(cause)

      const call = Effect.fn("ToolRegistry.call")(function* (call: ToolCall) {
        const startedAt = yield* Clock.currentTimeMillis
        const { principal, requestId } = call
        // Names that callers made up are in no label and no audit row: both keep them for ever.
        let known = unknownName
        let mayChange = false
        const outcome = Effect.gen(function* () {
          const aim = yield* aimOf(call)
          const found = yield* lookUp(principal, aim.name, aim.view)
          if (found === undefined) return yield* invalidParams(`Unknown tool: ${aim.name.slice(0, maxNameLength)}`)
          known = aim.name
          mayChange = !found.tool.definition.annotations.readOnlyHint
          return yield* run(call, aim, found)
        })
        return yield* outcome.pipe(
          Effect.catchIf(isCallFailure, explain),
          Effect.catchCause(scrub(requestId)),
          Effect.onExit(
            Effect.fnUntraced(function* (exit) {
              const durationMs = (yield* Clock.currentTimeMillis) - startedAt
              const outcome = auditOutcomeOf(exit)
              yield* measure(known, outcome, durationMs)
              const changes = mayChange && outcome !== "denied"
              yield* audit.record({ principal, action: `mcp.${known}`, outcome, changes, requestId, durationMs })
            })
          )
        )
      })

      return ToolRegistry.of({
        list: Effect.fn("ToolRegistry.list")(function* (principal, view) {
          return (yield* Effect.catch(permitted(principal), storeFailure)).filter((tool) => inView(view, tool))
        }),
        find: (principal, view, name, arguments_) =>
          Effect.gen(function* () {
            const aim = yield* aimOf({ principal, view, name, arguments: arguments_ })
            return Option.map(Option.fromUndefinedOr(yield* lookUp(principal, aim.name, aim.view)), ({ tool }) => tool)
          }).pipe(
            Effect.catchTag("@devops-mcp/core/ports/StoreError", storeFailure),
            // What is wrong with the arguments of `tools_call` is for its own answer to say.
            Effect.catchIf(isCallFailure, () => Effect.succeed(Option.none<RegisteredTool>()))
          ),
        toolsets: (principal) =>
          Effect.map(maps(principal), (found) => new Set(merged(found).map(({ toolset }) => toolset))),
        call
      })
    })
  )
}
