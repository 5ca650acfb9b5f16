import type { Document, DocumentStatus } from "@devops-mcp/domain/Document"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { DocumentId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** Documents as they were added. */
export class DocumentRepository extends Context.Service<
  DocumentRepository,
  {
    readonly create: (tenantId: TenantId, document: Document) => Effect.Effect<Document, StoreError>
    readonly get: (tenantId: TenantId, id: DocumentId) => Effect.Effect<Document, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<Document>, CursorError | StoreError>
    readonly setStatus: (
      tenantId: TenantId,
      id: DocumentId,
      status: DocumentStatus
    ) => Effect.Effect<void, NotFound | StoreError>
    readonly delete: (tenantId: TenantId, id: DocumentId) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/DocumentRepository") {}
