import { Context, Schema, type Effect } from "effect"

/** Why text could not be embedded; retried only when `retryable`. */
export class EmbedderError extends Schema.TaggedError<EmbedderError>()(
  "@devops-mcp/core/ports/Embedder/EmbedderError",
  {
    operation: Schema.Literals(["load", "embed"]),
    retryable: Schema.Boolean,
    status: Schema.optionalKey(Schema.Int),
    /** Milliseconds the provider asked us to wait. */
    retryAfter: Schema.optionalKey(Schema.Number),
    /** Whether the provider has not answered anybody lately: no fault of what was asked. */
    outage: Schema.optionalKey(Schema.Boolean),
    cause: Schema.Defect()
  }
) {
  override get message() {
    return `The embedding model could not ${this.operation === "load" ? "be loaded" : "embed the text"}`
  }
}

/**
 * Turns text into unit vectors, one per text and in its order. Every vector has `dimensions` numbers.
 * Vectors of different `model`s are never comparable.
 */
export class Embedder extends Context.Service<
  Embedder,
  {
    readonly model: string
    readonly dimensions: number
    readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ReadonlyArray<number>>, EmbedderError>
  }
>()("@devops-mcp/core/ports/Embedder") {}
