import { Context, Schema, type Effect, type Option } from "effect"

/** Why an object could not be stored or read; retried only when `retryable`. */
export class ObjectStoreError extends Schema.TaggedError<ObjectStoreError>()(
  "@devops-mcp/core/ports/ObjectStore/ObjectStoreError",
  {
    operation: Schema.Literals(["put", "get", "delete"]),
    retryable: Schema.Boolean,
    cause: Schema.Defect()
  }
) {
  override get message() {
    return `The object store could not ${this.operation} the object`
  }
}

/**
 * Keeps large bodies outside the database. Keys are `[A-Za-z0-9._/-]`, without `..`, at most 500 characters.
 * A `put` is whole or not there, and replaces; `get` of a missing key is `None`; `delete` of one succeeds.
 */
export class ObjectStore extends Context.Service<
  ObjectStore,
  {
    readonly put: (key: string, body: Uint8Array) => Effect.Effect<void, ObjectStoreError>
    readonly get: (key: string) => Effect.Effect<Option.Option<Uint8Array>, ObjectStoreError>
    readonly delete: (key: string) => Effect.Effect<void, ObjectStoreError>
  }
>()("@devops-mcp/core/ports/ObjectStore") {}
