import type { Job, JobType } from "@devops-mcp/contract/Jobs"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import type { JobMetadata } from "@devops-mcp/core/ports/JobQueue"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Effect } from "effect"

/** Does what one type of job asks for. */
type Handler<Type extends JobType, E> = (
  job: Extract<Job, { readonly _tag: Type }>,
  metadata: JobMetadata
) => Effect.Effect<void, E>

/** One handler for each type of job: a type without one does not compile. */
export const makeJobHandlers = Effect.gen(function* () {
  const ingest = yield* Ingest
  const tasks = yield* Tasks
  return {
    IngestDelivery: ingest.run,
    IngestDocument: ingest.run,
    IndexContext: ingest.run,
    RunTask: tasks.run
  } satisfies { readonly [Type in JobType]: Handler<Type, unknown> }
})
