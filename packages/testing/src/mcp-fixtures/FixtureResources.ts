import type { ResourceContents, ResourceEntry, ResourceSource } from "@devops-mcp/mcp-server/registry/Resources"
import { Effect, Option } from "effect"
import { png } from "./FixtureTool.ts"

const statics: ReadonlyArray<{ readonly entry: ResourceEntry; readonly contents: ResourceContents }> = [
  {
    entry: {
      uri: "test://static-text",
      name: "Static text",
      description: "A text that stays the same.",
      mimeType: "text/plain"
    },
    contents: {
      uri: "test://static-text",
      mimeType: "text/plain",
      text: "This is the content of the static text resource."
    }
  },
  {
    entry: {
      uri: "test://static-binary",
      name: "Static binary",
      description: "An image that stays the same.",
      mimeType: "image/png"
    },
    contents: { uri: "test://static-binary", mimeType: "image/png", blob: png }
  },
  {
    entry: {
      uri: "test://watched-resource",
      name: "Watched resource",
      description: "A text to subscribe to.",
      mimeType: "text/plain"
    },
    contents: { uri: "test://watched-resource", mimeType: "text/plain", text: "Nothing has changed yet." }
  }
]

const templateUri = /^test:\/\/template\/([^/]+)\/data$/

const noValues = () => Effect.succeed([])

/** A few resources that are listed, and a template of which none is. */
export const resourceSources: ReadonlyArray<ResourceSource> = [
  {
    name: "conformance-statics",
    scope: "tools:read",
    template: undefined,
    list: () => Effect.succeed({ items: statics.map(({ entry }) => entry), nextCursor: null }),
    read: (_principal, uri) =>
      Option.map(Option.fromUndefinedOr(statics.find(({ entry }) => entry.uri === uri)), ({ contents }) =>
        Effect.succeedSome([contents])
      ),
    complete: noValues
  },
  {
    name: "conformance-template",
    scope: "tools:read",
    template: {
      uriTemplate: "test://template/{id}/data",
      name: "Template",
      title: "Template",
      description: "A document with the id that is asked for.",
      mimeType: "application/json"
    },
    list: () => Effect.succeed({ items: [], nextCursor: null }),
    read: (_principal, uri) =>
      Option.map(Option.fromNullishOr(templateUri.exec(uri)?.[1]), (id) =>
        Effect.succeedSome([
          {
            uri,
            mimeType: "application/json",
            text: `{"id":"${id}","templateTest":true,"data":"Data for ID: ${id}"}`
          }
        ])
      ),
    complete: (_principal, _variable, typed) =>
      Effect.succeed(["123", "456"].filter((value) => value.startsWith(typed)))
  }
]
