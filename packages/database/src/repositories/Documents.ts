import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { Document } from "@devops-mcp/domain/Document"
import { Effect, Layer } from "effect"
import { toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

export const DocumentRepositoryLive = Layer.effect(
  DocumentRepository,
  Effect.gen(function* () {
    const { get, list, missing, remove, run, sql } = yield* makeTable({
      table: "documents",
      resource: "document",
      schema: Document,
      key: "id"
    })
    const documentRow = toRow(Document)

    return DocumentRepository.of({
      get,
      list,
      delete: remove,
      create: (tenantId, document) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* documentRow(document)
            yield* sql`insert into documents ${sql.insert({ ...row, tenantId })}`
            return document
          })
        ),
      setStatus: (tenantId, id, status) =>
        run(
          tenantId,
          "setStatus",
          Effect.gen(function* () {
            const rows = yield* sql`update documents set status = ${status} where id = ${id} returning id`
            if (rows.length === 0) return yield* missing(id)
          })
        )
    })
  })
)
