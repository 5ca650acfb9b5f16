import * as Problem from "@devops-mcp/contract/Problems"
import type { ConfirmationRequired } from "@devops-mcp/core/access/Confirmations"
import type { AnswerNotKept, KeyReused, StillRunning } from "@devops-mcp/core/idempotency/RequestReplays"
import type { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import type { CacheError } from "@devops-mcp/core/ports/Cache"
import type { AccessTokensUnavailable } from "@devops-mcp/core/ports/AccessTokens"
import type { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import type { QueueError } from "@devops-mcp/core/ports/JobQueue"
import type { ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type {
  Conflict,
  Forbidden,
  InvalidInput,
  NotFound,
  StaleSignature,
  StaleVersion,
  Unauthenticated
} from "@devops-mcp/domain/Errors"
import { refusalHeaders, tooManyRequests, withAnswerHeaders } from "@devops-mcp/infrastructure/Limits"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { replayPollInterval } from "@devops-mcp/resilience/Policies"
import { type Array as Arr, Cause, Duration, Effect } from "effect"
import { HttpEffect, type HttpServerRequest, HttpServerResponse } from "effect/http"

/** Every error that use-cases and ports fail with. */
export type ApplicationError =
  | NotFound
  | Conflict
  | StaleVersion
  | InvalidInput
  | Forbidden
  | Unauthenticated
  | StaleSignature
  | AccessTokensUnavailable
  | CursorError
  | StoreError
  | QueueError
  | EmbedderError
  | CacheError
  | ObjectStoreError
  | ConfirmationRequired
  | RateLimited
  | KeyReused
  | StillRunning
  | AnswerNotKept

/** What clients are asked to wait before they repeat a request that met a dependency out of order. */
const retryAfterSeconds = 1

const withHeader = (name: string, value: string) =>
  HttpEffect.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, name, value))
  )

type Outage = AccessTokensUnavailable | StoreError | QueueError | EmbedderError | CacheError | ObjectStoreError

const unavailable = Effect.fnUntraced(function* (error: Outage, requestId: string) {
  const asked = "retryAfter" in error && error.retryAfter !== undefined ? Math.ceil(error.retryAfter / 1000) : 0
  yield* Effect.logWarning(error.message, Cause.fail(error))
  yield* withHeader("retry-after", String(Math.max(asked, retryAfterSeconds)))
  return new Problem.Unavailable({ code: "unavailable", detail: `${error.message}; try again later`, requestId })
})

const broken = Effect.fnUntraced(function* (error: Exclude<Outage, CacheError>, requestId: string) {
  if (error.retryable) return yield* unavailable(error, requestId)
  yield* Effect.logError(error.message, Cause.fail(error))
  return new Problem.InternalError({ code: "internal-error", requestId })
})

/** A 400 that says where the request is wrong. */
export const badRequest = (errors: Arr.NonEmptyReadonlyArray<Problem.ProblemDetail>, code = "invalid-request") =>
  Effect.map(RequestId, (requestId) => {
    const [{ detail, pointer }, ...others] = errors
    const more = others.length === 0 ? "" : ` (and ${others.length} more, see errors)`
    return new Problem.BadRequest({ code, requestId, errors, detail: `${pointer}: ${detail}${more}` })
  })

/** A 401 with the challenge that RFC 9110 asks for. */
export const unauthorized = (detail: string, code = "unauthorized") =>
  Effect.gen(function* () {
    yield* withHeader("www-authenticate", "Bearer")
    return new Problem.Unauthorized({ code, detail, requestId: yield* RequestId })
  })

/** A 500 that tells nothing; what went wrong goes to the log, with the same request id. */
export const internalError = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    yield* Effect.logError("A request met a defect", cause)
    return new Problem.InternalError({ code: "internal-error", requestId: yield* RequestId })
  })

const problems = {
  "@devops-mcp/domain/Errors/NotFound": (error: NotFound, requestId: string) =>
    Effect.succeed(new Problem.NotFound({ code: "not-found", detail: error.message, requestId })),
  "@devops-mcp/domain/Errors/Conflict": (error: Conflict, requestId: string) =>
    Effect.succeed(new Problem.Conflict({ code: "conflict", detail: error.message, requestId })),
  "@devops-mcp/domain/Errors/StaleVersion": (error: StaleVersion, requestId: string) =>
    Effect.succeed(new Problem.PreconditionFailed({ code: "stale-version", detail: error.message, requestId })),
  "@devops-mcp/domain/Errors/InvalidInput": (error: InvalidInput, requestId: string) =>
    Effect.succeed(
      new Problem.Unprocessable({
        code: "invalid-input",
        detail: error.detail,
        requestId,
        errors: [{ pointer: `/body${error.pointer}`, detail: error.detail }]
      })
    ),
  "@devops-mcp/domain/Errors/Forbidden": (error: Forbidden, requestId: string) =>
    Effect.succeed(new Problem.Forbidden({ code: "forbidden", detail: error.message, requestId })),
  "@devops-mcp/domain/Errors/Unauthenticated": (error: Unauthenticated) => unauthorized(error.message),
  "@devops-mcp/domain/Errors/StaleSignature": (error: StaleSignature) => unauthorized(error.message, "stale-signature"),
  "@devops-mcp/core/ports/Cursor/CursorError": (error: CursorError) =>
    badRequest([{ pointer: "/query/cursor", detail: error.message }], "invalid-cursor"),
  "@devops-mcp/core/ports/AccessTokens/AccessTokensUnavailable": broken,
  "@devops-mcp/core/ports/StoreError": broken,
  "@devops-mcp/core/ports/JobQueue/QueueError": broken,
  "@devops-mcp/core/ports/Embedder/EmbedderError": broken,
  "@devops-mcp/core/ports/ObjectStore/ObjectStoreError": broken,
  "@devops-mcp/core/ports/Cache/CacheError": (error: CacheError, requestId: string) => unavailable(error, requestId),
  "@devops-mcp/core/access/Confirmations/ConfirmationRequired": (error: ConfirmationRequired, requestId: string) =>
    Effect.succeed(
      new Problem.ConfirmationRequired({
        code: "confirmation-required",
        detail: error.message,
        requestId,
        preview: error.preview,
        confirmationToken: error.confirmationToken,
        expiresAt: error.expiresAt
      })
    ),
  "@devops-mcp/core/limits/RateLimited": (error: RateLimited) =>
    Effect.andThen(withAnswerHeaders(refusalHeaders(error)), tooManyRequests(error)),
  "@devops-mcp/core/idempotency/RequestReplays/KeyReused": (error: KeyReused, requestId: string) =>
    Effect.succeed(new Problem.Unprocessable({ code: "idempotency-key-reused", detail: error.message, requestId })),
  "@devops-mcp/core/idempotency/RequestReplays/StillRunning": (error: StillRunning, requestId: string) =>
    Effect.as(
      withHeader("retry-after", String(Duration.toSeconds(replayPollInterval))),
      new Problem.Conflict({ code: "idempotency-in-progress", detail: error.message, requestId })
    ),
  "@devops-mcp/core/idempotency/RequestReplays/AnswerNotKept": (error: AnswerNotKept, requestId: string) =>
    Effect.succeed(new Problem.Conflict({ code: "idempotency-answer-not-kept", detail: error.message, requestId }))
} satisfies {
  readonly [Tag in ApplicationError["_tag"]]: (
    error: Extract<ApplicationError, { readonly _tag: Tag }>,
    requestId: string
  ) => Effect.Effect<unknown, never, HttpServerRequest.HttpServerRequest>
}

/** The problems that stand for these errors. */
export type ProblemOf<E extends ApplicationError> = Effect.Success<ReturnType<(typeof problems)[E["_tag"]]>>

/** The problem that stands for an error: the one place that decides this. Fails with it. */
export const toProblem = <E extends ApplicationError>(
  error: E
): Effect.Effect<never, ProblemOf<E>, HttpServerRequest.HttpServerRequest> => {
  // The entry under an error's tag takes that error; TypeScript cannot follow the key through the union.
  const make = problems[error._tag] as unknown as (
    error: E,
    requestId: string
  ) => Effect.Effect<ProblemOf<E>, never, HttpServerRequest.HttpServerRequest>
  return Effect.flatMap(RequestId, (requestId) => Effect.flip(make(error, requestId)))
}

/** Answers an error of the application with its problem. */
export const orProblem = <A, E extends ApplicationError, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, ProblemOf<E>, R | HttpServerRequest.HttpServerRequest> => Effect.catch(effect, toProblem)
