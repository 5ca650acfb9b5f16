import { Job } from "@devops-mcp/contract/Jobs"
import { TenantId } from "@devops-mcp/domain/Ids"
import type { JobOffer } from "../ports/JobQueue.ts"
import { Clock, Effect, Option, Schema, type Tracer } from "effect"
import { HttpTraceContext, Headers } from "effect/http"

/** A job on its way, with the group that keeps its order, the trace that it belongs to and, in Unix milliseconds, its time. */
export const JobEnvelope = Schema.Struct({
  job: Job,
  group: Schema.optionalKey(Schema.String),
  traceparent: Schema.optionalKey(Schema.String),
  offeredAt: Schema.optionalKey(Schema.Finite)
})
export type JobEnvelope = typeof JobEnvelope.Type

/** Jobs of earlier versions went without an envelope. */
const Content = Schema.Union([JobEnvelope, Job])

const decodeContent = Schema.decodeUnknownEffect(Content)

export const readEnvelope = (content: unknown): Effect.Effect<JobEnvelope, Schema.SchemaError> =>
  Effect.map(decodeContent(content), (found) => ("job" in found ? found : { job: found }))

/** The envelope of a job that the running span causes, or the one that is said to. */
export const envelopeOf = (job: Job, { cause, group }: Pick<JobOffer, "cause" | "group">): Effect.Effect<JobEnvelope> =>
  Effect.gen(function* () {
    const span = cause === undefined ? yield* Effect.option(Effect.currentSpan) : Option.some(cause)
    const traceparent = Option.flatMap(span, (current) =>
      Headers.get(HttpTraceContext.toHeaders(current), "traceparent")
    )
    return {
      job,
      offeredAt: yield* Clock.currentTimeMillis,
      ...(group === undefined ? {} : { group }),
      ...(Option.isSome(traceparent) ? { traceparent: traceparent.value } : {})
    }
  })

/** The span that offered the job; undefined when there was none. */
export const causeOf = ({ traceparent }: JobEnvelope): Tracer.ExternalSpan | undefined =>
  traceparent === undefined
    ? undefined
    : Option.getOrUndefined(HttpTraceContext.fromHeaders(Headers.fromInput({ traceparent })))

const Owned = Schema.Struct({ tenantId: TenantId, _tag: Schema.String })

const decodeOwned = Schema.decodeUnknownOption(Schema.Union([Schema.Struct({ job: Owned }), Owned]))

/** What can be told of a job that no longer decodes. */
export const ownerOf = (content: unknown): { readonly tenantId?: TenantId; readonly type: string } =>
  Option.match(decodeOwned(content), {
    onNone: () => ({ type: "unknown" }),
    onSome: (found) => {
      const { _tag: type, tenantId } = "job" in found ? found.job : found
      return { tenantId, type }
    }
  })
