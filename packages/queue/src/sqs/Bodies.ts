import { ObjectStore, type ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { Effect, Option, Schema } from "effect"

/** Bytes that a message's body may have; SQS takes more, with all its attributes, and ten messages in one request. */
export const largestBody = 200 * 1024

/** The attribute of a message whose body is elsewhere. */
export const objectAttribute = "object"

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

export const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Bodies that are too large for a message wait in the object store, under their row of the outbox. */
export const makeBodies = Effect.fnUntraced(function* (largest: number) {
  const objects = yield* ObjectStore
  const keyOf = (sequence: string) => `jobs/${sequence}`

  return {
    /** What the message says: the body, or where it is. */
    put: Effect.fnUntraced(function* (
      sequence: string,
      body: string
    ): Effect.fn.Return<{ readonly body: string; readonly attributes: Record<string, string> }, ObjectStoreError> {
      const bytes = bytesOf(body)
      if (bytes.length <= largest) return { body, attributes: {} }
      const key = keyOf(sequence)
      yield* objects.put(key, bytes)
      return { body: key, attributes: { [objectAttribute]: key } }
    }),
    /** The job as JSON; a text where it is none, and where its object is gone. */
    read: Effect.fnUntraced(function* (
      body: string,
      attributes: Readonly<Record<string, string>>
    ): Effect.fn.Return<Schema.Json, ObjectStoreError> {
      const key = attributes[objectAttribute]
      const stored = key === undefined ? Option.none<Uint8Array>() : yield* objects.get(key)
      const text = Option.match(stored, { onNone: () => body, onSome: (bytes) => new TextDecoder().decode(bytes) })
      return Option.getOrElse(decodeJson(text), (): Schema.Json => text)
    }),
    remove: (attributes: Readonly<Record<string, string>>) => {
      const key = attributes[objectAttribute]
      return key === undefined ? Effect.void : Effect.ignore(objects.delete(key), { log: "Warn" })
    }
  }
})

export type Bodies = Effect.Success<ReturnType<typeof makeBodies>>
