import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, Deferred, Effect, FileSystem, Layer, Queue, type Scope } from "effect"
import type { Duplex } from "node:stream"
import { MessageChannel, Worker } from "node:worker_threads"
import { DataDirectoryUnusable, DumpFailed, type HomeInUse, HomeNotWritable, TemplateUnusable } from "./Errors.ts"
import * as HomeLock from "./HomeLock.ts"
import { PortDuplex } from "./PortDuplex.ts"
import type { DumpAnswer, WorkerEvent, WorkerInput, WorkerRequest } from "./WorkerProtocol.ts"

/** Where the embedded database lives and how it starts. */
export interface Options {
  /** The home folder, made when it is missing; `undefined` keeps the database in memory. */
  readonly directory: string | undefined
  /** An image written by `dump` that a new database starts from, in place of an empty one. */
  readonly template?: string | undefined
  readonly onProgress?: ((message: string) => Effect.Effect<void>) | undefined
}

/** Why the embedded database did not start. */
export type StartError = HomeInUse | HomeNotWritable | DataDirectoryUnusable | TemplateUnusable

type Event = WorkerEvent | { readonly kind: "stopped"; readonly detail: string }

interface Thread {
  readonly worker: Worker
  readonly events: Queue.Dequeue<Event>
  readonly stopped: Deferred.Deferred<void>
}

const closingTime = "20 seconds"

const send = (worker: Worker, request: WorkerRequest): void => {
  switch (request.kind) {
    case "connect":
      return worker.postMessage(request, [request.port])
    case "dump":
      return worker.postMessage(request, [request.answer])
    case "close":
      return worker.postMessage(request)
  }
}

const spawn = Effect.fnUntraced(function* (workerData: WorkerInput) {
  const events = yield* Queue.unbounded<Event>()
  const stopped = yield* Deferred.make<void>()
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { name: "embedded-postgres", workerData })
  let detail = "its thread ended"
  worker.on("message", (event: WorkerEvent) => Queue.offerUnsafe(events, event))
  worker.on("error", (cause) => {
    detail = cause instanceof Error ? cause.message : String(cause)
  })
  worker.on("exit", () => {
    Deferred.doneUnsafe(stopped, Effect.void)
    Queue.offerUnsafe(events, { kind: "stopped", detail })
  })
  const thread: Thread = { worker, events, stopped }
  return thread
})

/** Lets the backend write its last checkpoint; a thread that hangs is ended, which the data survives. */
const stop = ({ worker, stopped }: Thread): Effect.Effect<void> =>
  Effect.sync(() => send(worker, { kind: "close" })).pipe(
    Effect.andThen(Deferred.await(stopped)),
    Effect.timeoutOrElse({ duration: closingTime, orElse: () => Effect.promise(() => worker.terminate()) }),
    Effect.asVoid
  )

const untilReady = Effect.fnUntraced(function* (
  { events }: Thread,
  input: WorkerInput,
  onProgress: (message: string) => Effect.Effect<void>
): Effect.fn.Return<void, DataDirectoryUnusable | TemplateUnusable> {
  const unusable = (detail: string) => new DataDirectoryUnusable({ directory: input.dataDirectory ?? "memory", detail })
  while (true) {
    const event = yield* Queue.take(events)
    switch (event.kind) {
      case "progress":
        yield* onProgress(event.message)
        break
      case "ready":
        return
      case "failed":
        return yield* event.reason === "template"
          ? new TemplateUnusable({ detail: event.detail })
          : unusable(event.detail)
      case "stopped":
        return yield* unusable(event.detail)
    }
  }
})

const reportStop = Effect.fnUntraced(function* ({ events }: Thread) {
  const event = yield* Queue.take(events)
  if (event.kind === "stopped") yield* Effect.logError(`The embedded database has stopped: ${event.detail}`)
})

/**
 * PostgreSQL inside this process, on a thread of its own: one backend, reached over any number of logical connections.
 * Only one live process can have a home folder open.
 */
export class EmbeddedPostgres extends Context.Service<
  EmbeddedPostgres,
  {
    /** A new connection that speaks the PostgreSQL protocol, for the `stream` option of `PgClient`. */
    readonly connect: () => Duplex
    /** Writes an image of the database to a file, for the `template` of another. Waits for open transactions. */
    readonly dump: (path: string) => Effect.Effect<void, DumpFailed>
  }
>()("@devops-mcp/database/embedded/EmbeddedPostgres") {}

const openHome = Effect.fnUntraced(function* (home: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs
    .makeDirectory(home, { recursive: true, mode: 0o700 })
    .pipe(Effect.catchTag("PlatformError", (cause) => Effect.fail(new HomeNotWritable({ home, cause }))))
  yield* HomeLock.hold(home)
})

const make = Effect.fn("EmbeddedPostgres.make")(function* (
  options: Options
): Effect.fn.Return<EmbeddedPostgres["Service"], StartError, FileSystem.FileSystem | Scope.Scope> {
  if (options.directory !== undefined) yield* openHome(options.directory)
  const input: WorkerInput = {
    dataDirectory: options.directory === undefined ? undefined : `${options.directory}/postgres`,
    template: options.template
  }
  const thread = yield* Effect.acquireRelease(spawn(input), stop)
  yield* untilReady(thread, input, options.onProgress ?? (() => Effect.void))
  yield* Effect.forkScoped(reportStop(thread))

  const connect = () => {
    const { stream, port } = PortDuplex.make()
    if (Deferred.isDoneUnsafe(thread.stopped)) return stream.destroy(new Error("The embedded database has stopped"))
    send(thread.worker, { kind: "connect", port })
    return stream
  }

  const dump = Effect.fn("EmbeddedPostgres.dump")(function* (path: string) {
    const { failure } = yield* Effect.callback<DumpAnswer>((resume) => {
      const { port1, port2 } = new MessageChannel()
      port1.once("message", (answer: DumpAnswer) => resume(Effect.succeed(answer)))
      port1.once("close", () => resume(Effect.succeed({ failure: "the embedded database has stopped" })))
      send(thread.worker, { kind: "dump", path, answer: port2 })
    })
    if (failure !== undefined) return yield* new DumpFailed({ path, detail: failure })
  })

  return EmbeddedPostgres.of({ connect, dump })
})

/** Opens the embedded database and closes it with the scope. A home folder that is new gets an empty database. */
export const layer = (options: Options): Layer.Layer<EmbeddedPostgres, StartError> =>
  Layer.effect(EmbeddedPostgres, make(options)).pipe(Layer.provide(NodeFileSystem.layer))
