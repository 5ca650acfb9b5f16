import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type ResultPart, Results } from "@devops-mcp/core/results/Results"
import { ResultId } from "@devops-mcp/domain/Ids"
import { Effect, Option, Schema } from "effect"
import type { ResourceContents, ResourceSource } from "../Resources.ts"
import { orNone } from "./Uris.ts"

const decodeId = Schema.decodeUnknownOption(ResultId)

/** `result://ID` or, from the second part on, `result://ID?part=N`. */
const shape = /^result:\/\/([0-9a-f-]{36})(?:\?part=([1-9]\d{0,5}))?$/

const parse = (uri: string) => {
  const [, id, part = "1"] = shape.exec(uri) ?? []
  return Option.map(decodeId(id), (decoded) => ({ id: decoded, part: Number(part) }))
}

/** A part is no JSON by itself, so it says where the next one is. */
const contentsOf = (uri: string, id: ResultId, read: ResultPart): ReadonlyArray<ResourceContents> => {
  if (read.parts === 1) return [{ uri, mimeType: "application/json", text: read.text }]
  const next =
    read.part === read.parts
      ? "It is the last one; the parts joined are JSON."
      : `Read on with the resource result://${id}?part=${read.part + 1}; the parts joined are JSON.`
  return [
    { uri, mimeType: "text/plain", text: read.text },
    {
      uri: `${uri}#next`,
      mimeType: "text/plain",
      text: `This is part ${read.part} of ${read.parts} of a result of ${read.bytes} bytes. ${next}`
    }
  ]
}

/** Whole results that were too large to be sent: each for the caller of the tool that gave it, and not listed. */
export const makeResultResources = Effect.map(Results, (results) => {
  const source: ResourceSource = {
    name: "results",
    scope: "any",
    template: {
      uriTemplate: "result://{id}",
      name: "result",
      title: "Large result",
      description: "The whole of a result that was cut, as a tool's answer linked it. It can be read for a day.",
      mimeType: "application/json"
    },
    list: () => Effect.succeed({ items: [], nextCursor: null }),
    read: (principal, uri) =>
      Option.map(parse(uri), ({ id, part }) =>
        orNone(Effect.map(results.read(principal, id, part), (read) => contentsOf(uri, id, read))).pipe(
          Effect.mapError(
            (error) => new StoreError({ operation: "results.read", retryable: error.retryable, cause: error })
          )
        )
      ),
    complete: () => Effect.succeed([])
  }
  return source
})
