import { Audit } from "@devops-mcp/core/audit/Audit"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { mcpRequestDuration } from "@devops-mcp/observability/Metrics"
import { toolCallTimeout } from "@devops-mcp/resilience/Policies"
import { Cause, Clock, Effect, Exit, Metric } from "effect"
import { internalError, type ProtocolFailure } from "./ProtocolFailure.ts"

/** A request that reads something for its caller. */
export interface ReadingRequest {
  readonly principal: Principal
  readonly requestId: string
  readonly method: "resources/read" | "prompts/get"
  /** A name of ours for certain: metrics keep every label for ever. */
  readonly label: string
  /** What is read; undefined when it is something that the caller made up. */
  readonly target: string | undefined
  readonly isDenied: boolean
}

/** The log learns why the store failed, callers only that it did. */
export const orUnavailable = <A>(
  effect: Effect.Effect<A, StoreError | ProtocolFailure>
): Effect.Effect<A, ProtocolFailure> =>
  Effect.catchTag(effect, "@devops-mcp/core/ports/StoreError", (error) =>
    Effect.andThen(
      Effect.logWarning("The database did not answer", error),
      Effect.fail(internalError("The database did not answer. Try again in a few seconds."))
    )
  )

const bounded = <A>(
  { method, requestId }: ReadingRequest,
  effect: Effect.Effect<A, StoreError | ProtocolFailure>
): Effect.Effect<A, ProtocolFailure> => {
  const tooSlow = Effect.fail(internalError("It took too long and was stopped. Try again."))
  const died = (cause: Cause.Cause<ProtocolFailure>) =>
    Effect.andThen(
      Effect.logError(`${method} died`, cause),
      Effect.fail(internalError(`Internal error; it is logged under the request id ${requestId}.`))
    )
  return orUnavailable(effect).pipe(
    Effect.timeoutOrElse({ duration: toolCallTimeout, orElse: () => tooSlow }),
    Effect.catchCauseIf(Cause.hasDies, died)
  )
}

/** Every read, also a refused or failed one, takes bounded time and leaves an audit row and a measurement. */
export const makeRecorded = Effect.gen(function* () {
  const audit = yield* Audit

  const record = Effect.fnUntraced(function* (request: ReadingRequest, outcome: AuditOutcome, durationMs: number) {
    const { label, method, principal, requestId, target } = request
    const labels = { method, tool: label, outcome }
    yield* Effect.annotateCurrentSpan(labels)
    yield* Metric.update(Metric.withAttributes(mcpRequestDuration, labels), durationMs / 1000)
    const act = { principal, action: `mcp.${method}`, outcome, changes: false, requestId, durationMs }
    yield* audit.record(target === undefined ? act : { ...act, target })
  })

  return <A>(
    request: ReadingRequest,
    effect: Effect.Effect<A, StoreError | ProtocolFailure>
  ): Effect.Effect<A, ProtocolFailure> =>
    Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
      bounded(request, effect).pipe(
        Effect.onExit((exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            record(request, Exit.isSuccess(exit) ? "ok" : request.isDenied ? "denied" : "failed", now - startedAt)
          )
        )
      )
    )
})
