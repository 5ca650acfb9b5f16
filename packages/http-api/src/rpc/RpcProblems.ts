import { Forbidden, InternalError, TooManyRequests, Unauthorized, Unavailable } from "@devops-mcp/contract/Problems"
import type { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Cause, Effect } from "effect"

/** Problems as calls fail with them: there is no status and there are no headers, the code says it all. */
const failed = <A>(make: (requestId: string) => A) =>
  Effect.flatMap(RequestId, (requestId) => Effect.fail(make(requestId)))

export const unauthorized = (detail: string) =>
  failed((requestId) => new Unauthorized({ code: "unauthorized", detail, requestId }))

export const forbidden = (detail: string) =>
  failed((requestId) => new Forbidden({ code: "forbidden", detail, requestId }))

export const limited = ({ limit, message }: Pick<RateLimited, "limit" | "message">) =>
  failed((requestId) => new TooManyRequests({ code: "too-many-requests", detail: message, requestId, limit }))

/** A failure of something we need; what it was goes to the log alone. */
export const broken = (error: {
  readonly message: string
  readonly retryable: boolean
}): Effect.Effect<never, Unavailable | InternalError> =>
  error.retryable
    ? Effect.andThen(
        Effect.logWarning(error.message, Cause.fail(error)),
        failed(
          (requestId) =>
            new Unavailable({ code: "unavailable", detail: `${error.message}; try again later`, requestId })
        )
      )
    : internal(Cause.fail(error))

export const internal = (cause: Cause.Cause<unknown>) =>
  Effect.andThen(
    Effect.logError("A call met a defect", cause),
    failed((requestId) => new InternalError({ code: "internal-error", requestId }))
  )
