import { Audit } from "@devops-mcp/core/audit/Audit"
import { allows, authorize } from "@devops-mcp/core/Policy"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { mcpRequestDuration } from "@devops-mcp/observability/Metrics"
import { toolCallTimeout } from "@devops-mcp/resilience/Policies"
import { Cause, Clock, Context, Effect, Exit, Layer, Metric, Schema } from "effect"
import { makeActionTools } from "./ActionTools.ts"
import { type BuiltInTool, makeBuiltInTools } from "./BuiltInTools.ts"
import { type CallFailure, toolErrorOf } from "./Failures.ts"
import { errorOutcome, type RawArguments, type RegisteredTool, type ToolOutcome } from "./RegisteredTool.ts"
import { makeResultLimit } from "./ResultLimit.ts"

/** No tool has this name, or none that this tenant has configured. */
export class UnknownTool extends Schema.TaggedError<UnknownTool>()(
  "@devops-mcp/mcp-server/registry/ToolRegistry/UnknownTool",
  { name: Schema.String }
) {
  override get message() {
    return `Unknown tool: ${this.name}`
  }
}

/** As MCP has it. */
const maxNameLength = 128

/** Stands for names that callers made up, in metrics and audit rows. */
const unknownName = "unknown"

const auditOutcomeOf = (exit: Exit.Exit<ToolOutcome, UnknownTool>): AuditOutcome => {
  if (Exit.isFailure(exit)) return "failed"
  if (exit.value._tag === "Result") return "ok"
  return exit.value.error.code === "forbidden" ? "denied" : "failed"
}

const measure = (method: string, tool: string, outcome: AuditOutcome, durationMs: number) =>
  Effect.andThen(
    Effect.annotateCurrentSpan({ tool, outcome }),
    Metric.update(Metric.withAttributes(mcpRequestDuration, { method, tool, outcome }), durationMs / 1000)
  )

/**
 * All MCP tools, whatever the transport. A caller is offered exactly the tools that it may use; every call, also a
 * refused or failed one, leaves an audit row and a measurement, and none of its arguments.
 */
export class ToolRegistry extends Context.Service<
  ToolRegistry,
  {
    /** Our own tools first, then the configured tools' actions by name. */
    readonly list: (principal: Principal) => Effect.Effect<ReadonlyArray<RegisteredTool>, StoreError>
    readonly call: (
      principal: Principal,
      requestId: string,
      name: string,
      input: RawArguments
    ) => Effect.Effect<ToolOutcome, UnknownTool>
  }
>()("@devops-mcp/mcp-server/registry/ToolRegistry") {
  static readonly layer = Layer.effect(
    ToolRegistry,
    Effect.gen(function* () {
      const builtIn = new Map((yield* makeBuiltInTools).map((tool) => [tool.tool.name, tool]))
      const actions = yield* makeActionTools
      const outcomeOf = yield* makeResultLimit
      const audit = yield* Audit

      const list = Effect.fn("ToolRegistry.list")(function* (principal: Principal) {
        const own = [...builtIn.values()].filter(({ scope }) => allows(principal, scope)).map(({ tool }) => tool)
        const configured = (yield* actions.list(principal)).filter(({ name }) => !builtIn.has(name))
        return [...own, ...configured]
      })

      const callBuiltIn = ({ run, scope, traits }: BuiltInTool, principal: Principal, input: RawArguments) =>
        Effect.andThen(authorize(principal, scope), run(principal, input)).pipe(
          Effect.timeout(toolCallTimeout),
          Effect.map((result) => outcomeOf(traits, result))
        )

      const callAction = Effect.fnUntraced(function* (principal: Principal, name: string, input: RawArguments) {
        if (name.length > maxNameLength) return yield* new UnknownTool({ name: name.slice(0, maxNameLength) })
        return yield* Effect.fromOption(yield* actions.call(principal, name, input)).pipe(
          Effect.mapError(() => new UnknownTool({ name }))
        )
      })

      const explain = (failure: CallFailure) => {
        const error = toolErrorOf(failure)
        const log = error.code === "unavailable" ? Effect.logWarning(error.detail, failure) : Effect.void
        return Effect.as(log, errorOutcome(error.code, error.detail, error.retryable))
      }

      const scrub = (requestId: string) => (cause: Cause.Cause<UnknownTool>) =>
        Cause.hasDies(cause)
          ? Effect.as(
              Effect.logError("A tool call died", cause),
              errorOutcome("internal", `Internal error; it is logged under the request id ${requestId}.`, false)
            )
          : Effect.failCause(cause)

      const call = Effect.fn("ToolRegistry.call")(function* (
        principal: Principal,
        requestId: string,
        name: string,
        input: RawArguments
      ) {
        const startedAt = yield* Clock.currentTimeMillis
        const own = builtIn.get(name)
        const outcome = own === undefined ? callAction(principal, name, input) : callBuiltIn(own, principal, input)
        return yield* outcome.pipe(
          Effect.catchIf((failure) => !(failure instanceof UnknownTool), explain),
          Effect.catchCause(scrub(requestId)),
          Effect.onExit(
            Effect.fnUntraced(function* (exit) {
              const durationMs = (yield* Clock.currentTimeMillis) - startedAt
              const outcome = auditOutcomeOf(exit)
              // A label must be a tool's name for certain: metrics keep every label for ever.
              const label = own !== undefined || Exit.isSuccess(exit) ? name : unknownName
              const target = Exit.isFailure(exit) && Cause.hasFails(exit.cause) ? unknownName : name
              yield* measure("tools/call", label, outcome, durationMs)
              yield* audit.record({ principal, action: `mcp.${target}`, outcome, requestId, durationMs })
            })
          )
        )
      })

      return ToolRegistry.of({ list, call })
    })
  )
}
