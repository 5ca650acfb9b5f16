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
