import { Schema } from "effect"

/** The database did not do what was asked. `retryable`: the same call may succeed later. */
export class StoreError extends Schema.TaggedError<StoreError>()("@devops-mcp/core/ports/StoreError", {
  operation: Schema.String,
  retryable: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The database could not complete ${this.operation}`
  }
}
