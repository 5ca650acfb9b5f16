import { Bus, BusError } from "@devops-mcp/core/ports/Bus"
import { Effect, Layer } from "effect"
import * as Listeners from "./Listeners.ts"
import { RedisConnection, redisFailure, redisPrefix } from "./RedisConnection.ts"

const prefix = `${redisPrefix}bus:`

const attempt = <A>(operation: BusError["operation"], command: () => Promise<A>) =>
  Effect.tryPromise({ try: command, catch: (cause) => new BusError({ operation, cause: redisFailure(cause) }) })

const make = Effect.gen(function* () {
  const { commands, subscriber } = yield* RedisConnection
  const listeners = Listeners.make()
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const resubscribe = Effect.suspend(() => {
    const channels = listeners.channels()
    return channels.length === 0
      ? Effect.void
      : attempt("subscribe", () => subscriber.subscribe(...channels.map((channel) => prefix + channel))).pipe(
          Effect.catch((error) =>
            Effect.andThen(
              Effect.logWarning("Redis did not take the subscriptions back; connecting anew", error),
              Effect.sync(() => subscriber.disconnect(true))
            )
          )
        )
  })
  const onReady = () => void run(resubscribe)
  const onMessage = (channel: string, message: string) => {
    if (channel.startsWith(prefix)) listeners.deliver(channel.slice(prefix.length), message)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => subscriber.on("ready", onReady).on("message", onMessage)),
    () => Effect.sync(() => subscriber.off("ready", onReady).off("message", onMessage))
  )

  return Bus.of({
    publish: Effect.fn("Bus.publish")(function* (channel, message) {
      yield* attempt("publish", () => commands.publish(prefix + channel, message))
    }),
    subscribe: Effect.fn("Bus.subscribe")(function* (channel) {
      return yield* listeners.listen(channel, {
        first: attempt("subscribe", () => subscriber.subscribe(prefix + channel)),
        last: Effect.ignore(attempt("subscribe", () => subscriber.unsubscribe(prefix + channel)))
      })
    })
  })
})

/** A bus between all replicas. After a lost connection it listens again; what was said meanwhile is not heard. */
export const layer: Layer.Layer<Bus, never, RedisConnection> = Layer.effect(Bus, make)
