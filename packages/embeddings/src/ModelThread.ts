import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { modelStartTimeout, modelTextTimeout } from "@devops-mcp/resilience/Policies"
import { Deferred, Duration, Effect, Schema, type Scope } from "effect"
import { Worker } from "node:worker_threads"

/** What the thread is asked. */
export interface Task {
  readonly id: number
  readonly text: string
}

/** What the thread says: once that it is ready, then one answer for each task. */
export const Reply = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("ready") }),
  Schema.Struct({ kind: Schema.Literal("embedded"), id: Schema.Int, vector: Schema.Array(Schema.Finite) }),
  Schema.Struct({ kind: Schema.Literal("refused"), id: Schema.Int, reason: Schema.String })
])
export type Reply = typeof Reply.Type

const decodeReply = Schema.decodeUnknownEffect(Reply)

/** The model takes 120 MB; a text that makes it want much more ends the thread, not the program. */
const memoryMegabytes = 768

const failed = (operation: EmbedderError["operation"], retryable: boolean) => (cause: unknown) =>
  new EmbedderError({ operation, retryable, cause })

/** A running model. `embed` fails with a retryable error when the thread is gone, and then will for ever. */
export interface ModelThread {
  readonly embed: (text: string) => Effect.Effect<ReadonlyArray<number>, EmbedderError>
}

/**
 * Starts `script` in a thread of its own and waits until it is ready; the scope ends it. A thread that crashes or does
 * not answer in time is ended for good. It sees neither the environment nor the program's standard output.
 */
export const start = Effect.fn("ModelThread.start")(function* (
  script: URL
): Effect.fn.Return<ModelThread, EmbedderError, Scope.Scope> {
  const worker = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        new Worker(script, {
          name: "embeddings",
          execArgv: [],
          env: {},
          stdout: true,
          stderr: true,
          resourceLimits: { maxOldGenerationSizeMb: memoryMegabytes }
        }),
      catch: failed("load", true)
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )
  worker.stdout.resume()
  worker.stderr.resume()

  const ready = yield* Deferred.make<void>()
  const gone = yield* Deferred.make<string>()
  const tasks = new Map<number, Deferred.Deferred<ReadonlyArray<number>, EmbedderError>>()

  const receive = Effect.fnUntraced(function* (message: unknown) {
    const reply = yield* decodeReply(message)
    if (reply.kind === "ready") return yield* Deferred.succeed(ready, undefined)
    const task = tasks.get(reply.id)
    if (task === undefined) return
    return reply.kind === "embedded"
      ? yield* Deferred.succeed(task, reply.vector)
      : yield* Deferred.fail(task, failed("embed", false)(reply.reason))
  })
  const run = Effect.runForkWith(yield* Effect.context<never>())
  worker.on("message", (message: unknown) => {
    run(receive(message).pipe(Effect.catch((cause) => Deferred.succeed(gone, String(cause)))))
  })
  worker.on("error", (cause) => Deferred.doneUnsafe(gone, Effect.succeed(String(cause))))
  worker.on("exit", (code) => Deferred.doneUnsafe(gone, Effect.succeed(`The model's thread ended with code ${code}`)))

  const answerIn = <A>(
    answer: Effect.Effect<A, EmbedderError>,
    operation: EmbedderError["operation"],
    limit: Duration.Duration
  ) =>
    Effect.raceFirst(answer, Effect.flip(Effect.map(Deferred.await(gone), failed(operation, true)))).pipe(
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => {
          const late = `The model did not answer in ${Duration.format(limit)}`
          return Effect.andThen(
            Effect.promise(() => worker.terminate()),
            Effect.fail(failed(operation, true)(late))
          )
        }
      })
    )

  let lastId = 0
  const embed = Effect.fnUntraced(function* (text: string) {
    const id = (lastId += 1)
    const task = yield* Deferred.make<ReadonlyArray<number>, EmbedderError>()
    tasks.set(id, task)
    worker.postMessage({ id, text } satisfies Task)
    return yield* answerIn(Deferred.await(task), "embed", modelTextTimeout).pipe(
      Effect.ensuring(Effect.sync(() => tasks.delete(id)))
    )
  })

  yield* answerIn(Deferred.await(ready), "load", modelStartTimeout)
  return { embed }
})
