import { Schema } from "effect"
import { LongText, Metadata, Name, Timestamp } from "./Fields.ts"
import { DocumentId } from "./Ids.ts"

/** `pending`: waits for the worker; `ready`: searchable; `failed`: given up, its job is a dead letter. */
export const DocumentStatus = Schema.Literals(["pending", "ready", "failed"])
export type DocumentStatus = typeof DocumentStatus.Type

/** Text that agents and people add to the knowledge. */
export const Document = Schema.Struct({
  id: DocumentId,
  title: Name,
  text: LongText,
  uri: Schema.optionalKey(Schema.String),
  metadata: Metadata,
  status: DocumentStatus,
  createdAt: Timestamp
}).annotate({ identifier: "Document" })
export type Document = typeof Document.Type
