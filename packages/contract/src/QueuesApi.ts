import { DeadLetter, DiscardReason } from "@devops-mcp/domain/DeadLetter"
import { DeadLetterId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Schema } from "effect"
import { HttpApiEndpoint, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { QueueName } from "./Jobs.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

const params = { name: QueueName }

/** The whole installation's work, and the dead letters of the caller's tenant that wait for a decision. */
export const Queue = Schema.Struct({
  name: QueueName,
  depth: Schema.Int,
  inFlight: Schema.Int,
  deadLetters: Schema.Int,
  oldestAgeSeconds: Schema.Finite
}).annotate({ identifier: "Queue" })

/** There are few, so this is always the only page. */
export const QueuePage = Page(Queue)

export const DeadLetterPage = Page(DeadLetter)

/** `discarded`: those that were discarded, in place of those that wait for a decision. */
export const DeadLetterQuery = Schema.Struct({ ...listQuery, discarded: Schema.optionalKey(Schema.Boolean) })

/** So many are named at once; `all` means those of the queue. */
const selection = {
  ids: Schema.optionalKey(Schema.Array(DeadLetterId).check(Schema.isBetweenLength(1, 200), Schema.isUnique())),
  all: Schema.optionalKey(Schema.Boolean)
}

interface Selection {
  readonly ids?: ReadonlyArray<DeadLetterId>
  readonly all?: boolean
}

/** What can be done again need not say that all are meant. */
export const notBoth = Schema.makeFilter(({ all, ids }: Selection) => ids === undefined || all !== true, {
  expected: "either ids or all, not both"
})

/** What cannot be undone says that all are meant: a list that was left out by mistake is no word for it. */
export const idsOrAll = Schema.makeFilter(({ all, ids }: Selection) => (ids === undefined) === (all === true), {
  expected: "either ids, or all: true for every dead letter of the queue"
})

/** Without ids all are meant, said or not. */
export const RedriveDeadLetters = Schema.Struct(selection).check(notBoth).annotate({ identifier: "RedriveDeadLetters" })

/** What could be put back. Ids of none that waits, and jobs that this version cannot read, stay out of the number. */
export const Redriven = Schema.Struct({ redriven: Schema.Int }).annotate({ identifier: "Redriven" })

export const DiscardDeadLetters = Schema.Struct({ ...selection, reason: DiscardReason })
  .check(idsOrAll)
  .annotate({ identifier: "DiscardDeadLetters" })

export const Discarded = Schema.Struct({ discarded: Schema.Int }).annotate({ identifier: "Discarded" })

export class QueuesApi extends guarded(
  "queues",
  HttpApiEndpoint.get("list", "/", { success: QueuePage, error: CommonProblems }).pipe(requires("queues:admin")),
  HttpApiEndpoint.get("deadLetters", "/:name/dead-letters", {
    params,
    query: DeadLetterQuery.fields,
    success: DeadLetterPage,
    error: CommonProblems
  }).pipe(requires("queues:admin")),
  HttpApiEndpoint.get("deadLetter", "/:name/dead-letters/:id", {
    params: { ...params, id: DeadLetterId },
    success: DeadLetter,
    error: CommonProblems
  }).pipe(requires("queues:admin")),
  HttpApiEndpoint.post("redrive", "/:name/dead-letters/redrive", {
    params,
    payload: [RedriveDeadLetters, Schema.Undefined],
    success: Redriven,
    error: CommonProblems
  }).pipe(idempotent, requires("queues:admin")),
  HttpApiEndpoint.post("discard", "/:name/dead-letters/discard", {
    params,
    payload: DiscardDeadLetters,
    success: Discarded,
    error: CommonProblems
  }).pipe(idempotent, requires("queues:admin"))
)
  .prefix("/queues")
  .annotateMerge(
    OpenApi.annotations({ title: "Queues", description: "Work that waits, and jobs that were given up" })
  ) {}
