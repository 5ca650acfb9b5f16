/**
 * What a request costs the server, what the server takes of memory, and how long it starts. Figures for people to compare,
 * no assertions. Run: `npm run bench`, or parts of it: `npm run bench -- mcp http auth start sockets events`; the
 * part `events` needs a PostgreSQL server.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Duration, Effect, Layer, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { loadavg } from "node:os"
import { measureAuth } from "./Auth.ts"
import { measureEvents } from "./events/Events.ts"
import { queues } from "./events/Instance.ts"
import * as EventsReport from "./events/EventsReport.ts"
import * as IdleSockets from "./IdleSockets.ts"
import { concurrency } from "./Load.ts"
import * as Report from "./Report.ts"
import { rounds } from "./Rounds.ts"
import { makeSettings, stores } from "./Server.ts"
import { measureStarts } from "./StartUp.ts"
import { measureBreakdowns, measureUnderLoad, type Workload } from "./UnderLoad.ts"

const parts = ["mcp", "http", "auth", "start", "sockets", "events"] as const
const workloads: ReadonlyArray<Workload> = ["mcp", "http"]

/** WebSockets that are open and wait. */
const idleSockets = 10_000

const RoundSeconds = Schema.Finite.check(Schema.isBetween({ minimum: 0.1, maximum: 60 }))

const print = (lines: ReadonlyArray<string>) => Console.log(`${lines.join("\n")}\n`)

const conditions = Effect.gen(function* () {
  const { database, redis } = yield* stores
  const names = [
    Option.isSome(database) ? "PostgreSQL" : "embedded database",
    Option.isSome(redis) ? "Redis" : "no Redis"
  ]
  const work = `${concurrency} requests at once, ${rounds} rounds`
  // Others' work on the machine makes everything slower, and small differences meaningless.
  return `Node ${process.versions.node}, ${names.join(", ")}; ${work}; machine load ${(loadavg()[0] ?? 0).toFixed(1)}`
})

const bench = Command.make(
  "bench",
  {
    parts: Argument.Literals("part", parts).pipe(
      Argument.withDescription("What to measure; everything when absent"),
      Argument.variadic()
    ),
    seconds: Flag.Finite("seconds").pipe(
      Flag.withSchema(RoundSeconds),
      Flag.withDescription("How long one request is repeated in one round"),
      Flag.withDefault(1)
    ),
    queue: Flag.Literals("queue", queues).pipe(
      Flag.withDescription("The only queue of the part events that is measured"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ parts: chosen, queue, seconds }) {
    const wanted: ReadonlyArray<string> = chosen.length === 0 ? parts : chosen
    const settings = yield* makeSettings
    yield* print([yield* conditions])
    const loads = workloads.filter((workload) => wanted.includes(workload))
    if (loads.length > 0) {
      const { measured, memory } = yield* measureUnderLoad(settings, loads, Duration.seconds(seconds))
      yield* Effect.forEach(measured, (figures) => print(Report.throughput(figures)))
      yield* print(Report.memory(memory))
    }
    if (loads.includes("mcp")) {
      const lines = measureBreakdowns(settings, Duration.seconds(seconds)).pipe(
        Effect.map(Report.breakdown),
        Effect.catch((error) => Effect.succeed([`Where the time goes is not known: ${error.message}`]))
      )
      yield* print(yield* lines)
    }
    if (wanted.includes("auth")) yield* print(Report.auth(yield* measureAuth(settings, Duration.seconds(seconds))))
    if (wanted.includes("start")) yield* print(Report.startUp(yield* measureStarts(settings)))
    if (wanted.includes("sockets")) {
      yield* print(IdleSockets.report(yield* IdleSockets.measureIdleSockets(settings, idleSockets)))
    }
    // Everything without a server is everything but this, which has no meaning without one.
    if (chosen.length === 0 && Option.isNone((yield* stores).database)) return
    if (wanted.includes("events")) {
      yield* print(EventsReport.events(yield* measureEvents(settings, Duration.seconds(seconds), queue)))
    }
  })
)

Command.run(bench, { version: "1" }).pipe(
  Effect.provide(Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerUndici, NodeCrypto.layer)),
  NodeRuntime.runMain
)
