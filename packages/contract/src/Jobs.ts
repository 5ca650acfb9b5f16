import { ContextId, DeliveryId, DocumentId, TaskId, TenantId } from "@devops-mcp/domain/Ids"
import { Schema } from "effect"

const ingestCases = {
  /** Makes the event of an accepted delivery and its searchable passages. */
  IngestDelivery: { tenantId: TenantId, deliveryId: DeliveryId },
  /** Makes a document searchable. */
  IngestDocument: { tenantId: TenantId, documentId: DocumentId },
  /** Makes the items `fromSeq` to `toSeq` of a context searchable. */
  IndexContext: { tenantId: TenantId, contextId: ContextId, fromSeq: Schema.Int, toSeq: Schema.Int }
}

/** The jobs that make accepted things searchable. */
export const IngestJob = Schema.TaggedUnion(ingestCases)
export type IngestJob = typeof IngestJob.Type

/** What the worker can be asked to do. Encoded as JSON in the queue, so a case is only ever extended, never changed. */
export const Job = Schema.TaggedUnion({
  ...ingestCases,
  /** Does the work of a task, from its beginning. */
  RunTask: { tenantId: TenantId, taskId: TaskId }
})
export type Job = typeof Job.Type

export type JobType = Job["_tag"]

/** Each type of job waits in a queue of its own, so that many of one kind never hold up the others. */
export const QueueName = Schema.Literals(["deliveries", "documents", "contexts", "tasks"])
export type QueueName = typeof QueueName.Type

export const queueOf: Readonly<Record<JobType, QueueName>> = {
  IngestDelivery: "deliveries",
  IngestDocument: "documents",
  IndexContext: "contexts",
  RunTask: "tasks"
}
