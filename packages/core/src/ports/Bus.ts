import { Context, Schema, type Effect, type Scope, type Stream } from "effect"

/** The bus's server did not take the message. */
export class BusError extends Schema.TaggedError<BusError>()("@devops-mcp/core/ports/Bus/BusError", {
  operation: Schema.Literals(["publish", "subscribe"]),
  cause: Schema.Defect()
}) {
  override get message() {
    return `The bus could not ${this.operation}`
  }
}

/**
 * Tells all replicas (or this process, without Redis) that something happened. At most once and without memory: who
 * must not miss a message reads the database too. When `subscribe` returns, every later message will be in the stream.
 */
export class Bus extends Context.Service<
  Bus,
  {
    readonly publish: (channel: string, message: string) => Effect.Effect<void, BusError>
    readonly subscribe: (channel: string) => Effect.Effect<Stream.Stream<string>, BusError, Scope.Scope>
  }
>()("@devops-mcp/core/ports/Bus") {}
