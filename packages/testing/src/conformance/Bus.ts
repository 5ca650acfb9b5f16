import { Bus } from "@devops-mcp/core/ports/Bus"
import { assert, layer as suite } from "@effect/vitest"
import { Effect, Exit, Fiber, type Layer, Random, Scope, Stream } from "effect"

const fresh = Effect.map(Random.nextInt, (n) => `conformance:${n}`)

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n}`)

const first = (count: number) => (stream: Stream.Stream<string>) =>
  stream.pipe(Stream.take(count), Stream.runCollect, Effect.timeout("10 seconds"))

/** What every bus promises: what is published after `subscribe` returned reaches every subscriber of that channel. */
export const busConformance = <E>(name: string, layer: Layer.Layer<Bus, E>) =>
  suite(layer, { excludeTestServices: true })(`Bus: ${name}`, (it) => {
    it.effect("gives every subscriber every later message, in order", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        const channel = yield* fresh
        const streams = yield* Effect.forEach(numbers(5), () => bus.subscribe(channel), { concurrency: "unbounded" })
        yield* Effect.forEach(numbers(100), (n) => bus.publish(channel, n))
        for (const stream of streams) assert.deepStrictEqual(yield* first(100)(stream), numbers(100))
      }).pipe(Effect.scoped)
    )

    it.effect("keeps messages as they are, and channels apart", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        const channel = yield* fresh
        const stream = yield* bus.subscribe(channel)
        yield* Effect.asVoid(bus.subscribe(`${channel}:other`))
        const messages = ["", "zwei\u0000\n🚀", "x".repeat(200_000)]
        yield* bus.publish(`${channel}:other`, "not for us")
        yield* bus.publish(`${channel}*`, "not for us")
        yield* Effect.forEach(messages, (message) => bus.publish(channel, message))
        assert.deepStrictEqual(yield* first(messages.length)(stream), messages)
      }).pipe(Effect.scoped)
    )

    it.effect("takes messages that nobody waits for", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        yield* bus.publish(yield* fresh, "into the void")
      })
    )

    it.effect("a subscriber gets nothing from before, and ends with its scope", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        const channel = yield* fresh
        yield* bus.publish(channel, "before")
        const scope = yield* Scope.make()
        const ended = yield* bus.subscribe(channel).pipe(Scope.provide(scope))
        const stays = yield* bus.subscribe(channel)
        const collecting = yield* Effect.forkChild(Stream.runCollect(ended))
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.await(collecting).pipe(Effect.timeout("10 seconds"))
        yield* bus.publish(channel, "after")
        assert.deepStrictEqual(yield* first(1)(stays), ["after"])
      }).pipe(Effect.scoped)
    )

    it.effect("can be subscribed again and again", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        const channel = yield* fresh
        yield* Effect.forEach(
          numbers(20),
          (n) =>
            Effect.gen(function* () {
              const stream = yield* bus.subscribe(channel)
              yield* bus.publish(channel, `of ${n}`)
              const heard = yield* stream.pipe(
                Stream.filter((message) => message === `of ${n}`),
                first(1)
              )
              assert.deepStrictEqual(heard, [`of ${n}`])
            }).pipe(Effect.scoped),
          { concurrency: 4 }
        )
      })
    )

    it.effect("a subscriber that does not read holds nobody up", () =>
      Effect.gen(function* () {
        const bus = yield* Bus
        const channel = yield* fresh
        yield* Effect.asVoid(bus.subscribe(channel))
        const reader = yield* bus.subscribe(channel)
        const last = yield* Effect.forkChild(
          reader.pipe(
            Stream.filter((message) => message === "4999"),
            first(1)
          )
        )
        yield* Effect.forEach(numbers(5_000), (n) => bus.publish(channel, n), { concurrency: 100 })
        assert.deepStrictEqual(yield* Fiber.join(last), ["4999"])
      }).pipe(Effect.scoped)
    )
  })
