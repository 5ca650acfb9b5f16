import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { Document } from "@devops-mcp/domain/Document"
import { DocumentId, type TenantId } from "@devops-mcp/domain/Ids"
import { Effect, Option, Schema, Struct } from "effect"
import { encodeJson } from "../../edge/Json.ts"
import type { ResourceSource } from "../Resources.ts"
import { completionPage, matchingIds, orNone, urisOf } from "./Uris.ts"

const uris = urisOf("document", DocumentId)

const encodeFacts = Schema.encodeEffect(Document.mapFields(Struct.omit(["text"])))

/** Files of Markdown by their name, other texts by a heading or a fence at the start of a line. */
const isMarkdown = ({ text, title, uri = "" }: Document) =>
  /\.(md|markdown|mdx)$/i.test(uri) || /\.(md|markdown|mdx)$/i.test(title) || /^(#{1,6} \S|```|~~~)/m.test(text)

const textOf = (document: Document, markdown: boolean) => {
  const { text, title } = document
  const heading = markdown ? `# ${title}` : title
  return text.startsWith(heading) ? text : `${heading}\n\n${text}`
}

/** Documents, newest first; one reads as its text under its title, and what else is known of it as JSON. */
export const makeDocumentResources = Effect.map(DocumentRepository, (documents) => {
  const read = Effect.fnUntraced(function* (tenantId: TenantId, id: DocumentId) {
    const document = yield* documents.get(tenantId, id)
    const markdown = isMarkdown(document)
    const facts = encodeJson(yield* Effect.orDie(encodeFacts(document)))
    return [
      { uri: uris.of(id), mimeType: markdown ? "text/markdown" : "text/plain", text: textOf(document, markdown) },
      { uri: `${uris.of(id)}#metadata`, mimeType: "application/json", text: facts }
    ]
  })

  const source: ResourceSource = {
    name: "documents",
    scope: "knowledge:read",
    template: {
      uriTemplate: uris.template,
      name: "document",
      title: "Document",
      description: "A text that was added to the knowledge, with its title and metadata."
    },
    list: ({ tenantId }, page) =>
      Effect.map(documents.list(tenantId, page), ({ items, nextCursor }) => ({
        items: items.map((document) => ({
          uri: uris.of(document.id),
          name: document.title,
          ...(document.uri === undefined ? {} : { description: document.uri }),
          mimeType: isMarkdown(document) ? "text/markdown" : "text/plain"
        })),
        nextCursor
      })),
    read: ({ tenantId }, uri) => Option.map(uris.parse(uri), (id) => orNone(read(tenantId, id))),
    complete: ({ tenantId }, _, typed) =>
      documents.list(tenantId, completionPage).pipe(
        Effect.map((page) => matchingIds(page, ({ title }) => title, typed)),
        Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die)
      )
  }
  return source
})
