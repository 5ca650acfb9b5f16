import { ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { Effect, Schema } from "effect"

/** What one object may hold; callers keep whole objects in memory. */
export const largestObject = 64 * 1024 * 1024

const Key = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9._/-]{1,500}$/),
  Schema.makeFilter((key) => !key.includes(".."), { expected: "a key without .." })
)

const decodeKey = Schema.decodeUnknownEffect(Key)

export type Operation = ObjectStoreError["operation"]

/** What no repetition makes better. */
export const refused = (operation: Operation) => (cause: unknown) =>
  new ObjectStoreError({ operation, retryable: false, cause })

/** The key, if it is one. */
export const validKey = (operation: Operation, key: string) => Effect.mapError(decodeKey(key), refused(operation))

/** Refuses a body that is larger than any object. */
export const withinLimit = (body: Uint8Array) =>
  body.byteLength > largestObject
    ? Effect.fail(refused("put")(`An object holds at most ${largestObject} bytes, this one has ${body.byteLength}`))
    : Effect.void
