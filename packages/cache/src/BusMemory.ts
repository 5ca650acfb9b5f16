import { Bus } from "@devops-mcp/core/ports/Bus"
import { Effect, Layer } from "effect"
import * as Listeners from "./Listeners.ts"

const make = Effect.sync(() => {
  const listeners = Listeners.make()
  return Bus.of({
    publish: Effect.fn("Bus.publish")(function* (channel, message) {
      yield* Effect.sync(() => listeners.deliver(channel, message))
    }),
    subscribe: Effect.fn("Bus.subscribe")(function* (channel) {
      return yield* listeners.listen(channel, { first: Effect.void, last: Effect.void })
    })
  })
})

/** A bus within this process. */
export const layer: Layer.Layer<Bus> = Layer.effect(Bus, make)
