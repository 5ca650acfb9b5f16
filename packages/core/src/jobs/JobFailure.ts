import { longestError } from "@devops-mcp/domain/DeadLetter"
import { redactSecrets } from "@devops-mcp/observability/Redaction"
import { Cause, Duration, Predicate } from "effect"

/** Errors have causes, and those have theirs. */
const deepestCause = 5

const textsOf = (error: unknown, depth = 0): ReadonlyArray<string> => {
  if (!(error instanceof Error)) return [typeof error === "string" ? error : Cause.pretty(Cause.fail(error))]
  const own = error.message === "" ? error.name : error.message
  return error.cause === undefined || depth === deepestCause ? [own] : [own, ...textsOf(error.cause, depth + 1)]
}

/** Why an attempt failed, for an operator: messages without stacks and secrets, bounded. */
export const failureText = <E>(cause: Cause.Cause<E>): string => {
  const texts = cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) ? textsOf(reason.error) : Cause.isDieReason(reason) ? textsOf(reason.defect) : []
  )
  return redactSecrets(texts.join(": ")).replaceAll("\0", "").slice(0, longestError) || "unknown"
}

const failureOf = <E>(cause: Cause.Cause<E>): unknown => cause.reasons.find(Cause.isFailReason)?.error

/** Whether another attempt is of no use, by the error's own word. Bugs and errors that do not say are tried again. */
export const isFinal = <E>(cause: Cause.Cause<E>): boolean => {
  const error = failureOf(cause)
  return Predicate.hasProperty(error, "retryable") && error.retryable === false
}

/** How long whoever failed asked us to wait. */
export const retryAfterOf = <E>(cause: Cause.Cause<E>): Duration.Duration | undefined => {
  const error = failureOf(cause)
  return Predicate.hasProperty(error, "retryAfter") && Predicate.isNumber(error.retryAfter)
    ? Duration.millis(error.retryAfter)
    : undefined
}

/** Whether the attempt could not have succeeded: a service that the job needs answers nobody. */
export const isOutage = <E>(cause: Cause.Cause<E>): boolean => {
  const error = failureOf(cause)
  return Predicate.hasProperty(error, "outage") && error.outage === true
}
