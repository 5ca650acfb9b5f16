import { queueOf } from "@devops-mcp/contract/Jobs"
import { envelopeOf, JobEnvelope } from "@devops-mcp/core/jobs/JobEnvelope"
import type { JobRow, OfferedJob } from "@devops-mcp/core/ports/JobQueue"
import { Duration, Effect, Schema } from "effect"

const encode = Schema.encodeEffect(Schema.fromJsonString(JobEnvelope))

/** A job as both queues keep it; of one that names no group it is the only member. */
export const rowOf = ({ job, ...options }: OfferedJob): Effect.Effect<JobRow> =>
  Effect.gen(function* () {
    const { delay = Duration.zero, group, id } = options
    const envelope = yield* envelopeOf(job, options)
    const content = yield* Effect.orDie(encode(envelope))
    return { queue: queueOf[job._tag], id, group: group ?? id, content, traceparent: envelope.traceparent, delay }
  })

export const rowsOf = (jobs: ReadonlyArray<OfferedJob>): Effect.Effect<ReadonlyArray<JobRow>> =>
  Effect.forEach(jobs, rowOf)
