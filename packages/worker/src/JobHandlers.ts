import type { Job, JobType } from "@devops-mcp/contract/Jobs"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import type { GivenUp, JobMetadata } from "@devops-mcp/core/ports/JobQueue"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Effect } from "effect"

type Of<Type extends JobType> = Extract<Job, { readonly _tag: Type }>

/** Does what one type of job asks for, and shows when that is given up. */
interface Handler<Type extends JobType, E> {
  readonly run: (job: Of<Type>, metadata: JobMetadata) => Effect.Effect<void, E>
  readonly givenUp: (job: Of<Type>, why: GivenUp) => Effect.Effect<void, E>
}

/** One handler for each type of job: a type without one does not compile. */
export const makeJobHandlers = Effect.gen(function* () {
  const ingest = yield* Ingest
  const tasks = yield* Tasks
  return {
    IngestDelivery: ingest,
    IngestDocument: ingest,
    IndexContext: ingest,
    RunTask: tasks
  } satisfies { readonly [Type in JobType]: Handler<Type, unknown> }
})
