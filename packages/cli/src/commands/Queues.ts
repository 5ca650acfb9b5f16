import { apiClient } from "@devops-mcp/contract/ApiClient"
import type { QueueName } from "@devops-mcp/contract/Jobs"
import { makeFirstTenant } from "@devops-mcp/core/access/FirstTenant"
import { DeadLetters, type QueueState } from "@devops-mcp/core/jobs/DeadLetters"
import type { DeadLetterPage } from "@devops-mcp/core/ports/DeadLetterRepository"
import { DatabaseLive } from "@devops-mcp/database/Database"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import type { DeadLetterId } from "@devops-mcp/domain/Ids"
import type { Page } from "@devops-mcp/domain/Page"
import { JobQueueLive } from "@devops-mcp/infrastructure/Infrastructure"
import { Health } from "@devops-mcp/observability/Health"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Array as Arr, Console, DateTime, Effect, Layer, Option, type Redacted, Schema, Stream } from "effect"
import { CommandFailed } from "../Failure.ts"
import { embeddedInstance } from "../Instance.ts"
import { printable, printTable } from "../Table.ts"

type Ids = ReadonlyArray<DeadLetterId>

/** The queues, and the dead letters of the first tenant, wherever this process can get at them. */
interface Letterbox {
  readonly queues: Effect.Effect<ReadonlyArray<QueueState>, CommandFailed>
  readonly page: (queue: QueueName, page: DeadLetterPage) => Effect.Effect<Page<DeadLetter>, CommandFailed>
  readonly get: (queue: QueueName, id: DeadLetterId) => Effect.Effect<DeadLetter, CommandFailed>
  readonly redrive: (queue: QueueName, ids: Ids | undefined) => Effect.Effect<number, CommandFailed>
  readonly discard: (queue: QueueName, reason: string, ids: Ids | undefined) => Effect.Effect<number, CommandFailed>
}

const orFail = Effect.mapError(
  (error: { readonly message: string }) => new CommandFailed({ message: error.message, exitCode: 1 })
)

const chosen = (ids: Ids | undefined) => (ids === undefined ? { all: true } : { ids })

const overHttp = Effect.fnUntraced(function* (url: string, credential: Redacted.Redacted) {
  const { queues } = yield* apiClient(url, credential)
  const letterbox: Letterbox = {
    queues: orFail(Effect.map(queues.list(), ({ items }) => items)),
    page: (name, query) => orFail(queues.deadLetters({ params: { name }, query })),
    get: (name, id) => orFail(queues.deadLetter({ params: { name, id } })),
    redrive: (name, ids) =>
      orFail(Effect.map(queues.redrive({ params: { name }, payload: chosen(ids) }), ({ redriven }) => redriven)),
    discard: (name, reason, ids) =>
      orFail(
        Effect.map(
          queues.discard({ params: { name }, payload: { reason, ...chosen(ids) } }),
          ({ discarded }) => discarded
        )
      )
  }
  return letterbox
})

const inDatabase = Effect.gen(function* () {
  const letters = yield* DeadLetters
  const { id: tenantId } = yield* yield* makeFirstTenant
  const letterbox: Letterbox = {
    queues: orFail(letters.queues(tenantId)),
    page: (name, page) => orFail(letters.list(tenantId, name, page)),
    get: (name, id) => orFail(letters.get(tenantId, name, id)),
    redrive: (name, ids) => orFail(letters.redrive(tenantId, name, ids)),
    discard: (name, reason, ids) => orFail(letters.discard(tenantId, name, reason, ids))
  }
  return letterbox
})

const LocalLive = DeadLetters.layer.pipe(
  Layer.provide(JobQueueLive()),
  Layer.provideMerge(DatabaseLive({ migrations: "run" })),
  Layer.provide(Health.layer),
  Layer.provideMerge(NodeCrypto.layer)
)

const withLetterbox = Effect.fnUntraced(function* <A>(use: (letterbox: Letterbox) => Effect.Effect<A, CommandFailed>) {
  const instance = yield* embeddedInstance
  return yield* Option.isSome(instance)
    ? Effect.flatMap(overHttp(instance.value.url, instance.value.credential), use)
    : Effect.flatMap(inDatabase, use).pipe(Effect.provide(LocalLive))
})

const ageOf = (seconds: number) => (seconds === 0 ? "-" : `${Math.ceil(seconds)} s`)

/** Prints the queues with what waits in them. */
export const list = Effect.gen(function* () {
  const queues = yield* withLetterbox((letterbox) => letterbox.queues)
  yield* printTable(
    ["NAME", "DEPTH", "IN FLIGHT", "DEAD LETTERS", "OLDEST"],
    queues.map(({ deadLetters, depth, inFlight, name, oldestAgeSeconds }) => [
      name,
      String(depth),
      String(inFlight),
      String(deadLetters),
      ageOf(oldestAgeSeconds)
    ])
  )
})

const pageSize = 200

/** Longer errors are shown whole by `show`. */
const errorWidth = 100

const lineOf = (text: string) => {
  const line = printable(text.replaceAll(/\s+/g, " "))
  return line.length > errorWidth ? `${line.slice(0, errorWidth)}…` : line
}

/** Prints the dead letters of a queue, newest first: those that wait for a decision, or those that were discarded. */
export const deadLetters = Effect.fnUntraced(function* (name: QueueName, discarded: boolean) {
  const letters = yield* withLetterbox((letterbox) =>
    Stream.runCollect(
      Stream.paginate<string | undefined, DeadLetter, CommandFailed>(undefined, (cursor) =>
        Effect.map(
          letterbox.page(name, { limit: pageSize, discarded, ...(cursor === undefined ? {} : { cursor }) }),
          ({ items, nextCursor }) => [items, Option.fromNullOr(nextCursor)] as const
        )
      )
    )
  )
  yield* printTable(
    ["ID", "TYPE", "FAILED", "ATTEMPTS", "REDRIVES", discarded ? "REASON" : "ERROR"],
    letters.map(({ attempts, discardReason, error, failedAt, id, redrives, type }) => [
      id,
      printable(type),
      DateTime.formatIso(failedAt),
      String(attempts),
      String(redrives),
      lineOf(discarded ? (discardReason ?? "") : error)
    ])
  )
})

const encodePretty = Schema.encodeSync(Schema.fromJsonString(Schema.Json, { space: 2 }))

/** Prints one dead letter with its whole error and what was to be done. */
export const show = Effect.fnUntraced(function* (name: QueueName, id: DeadLetterId) {
  const letter = yield* withLetterbox((letterbox) => letterbox.get(name, id))
  const { attempts, discardReason, discardedAt, error, failedAt, group, jobId, payload, redrives, type } = letter
  const lines: ReadonlyArray<readonly [string, string | undefined]> = [
    ["id", id],
    ["type", type],
    ["job", jobId],
    ["group", group],
    ["failed", DateTime.formatIso(failedAt)],
    ["attempts", String(attempts)],
    ["redrives", String(redrives)],
    ["discarded", discardedAt === undefined ? undefined : `${DateTime.formatIso(discardedAt)}: ${discardReason}`],
    ["error", error]
  ]
  for (const [title, text] of lines) {
    if (text !== undefined) yield* Console.log(`${title.padEnd(10)}${printable(text.replaceAll("\n", " "))}`)
  }
  yield* Console.log(`payload   ${encodePretty(payload).split("\n").map(printable).join("\n")}`)
})

/** Which dead letters are meant; all of a queue only when that is said. */
export interface Selection {
  readonly ids: Ids
  readonly all: boolean
}

const idsOf = Effect.fnUntraced(function* ({ all, ids }: Selection) {
  if (all === Arr.isReadonlyArrayNonEmpty(ids)) {
    const message = all ? "Either ids or --all, not both" : "Say which dead letters: their ids, or --all"
    return yield* new CommandFailed({ message, exitCode: 2 })
  }
  return all ? undefined : ids
})

/** Some that were named are not there, wait no longer or cannot be read: scripts learn it from the exit code. */
const report = Effect.fnUntraced(function* (what: string, count: number, ids: Ids | undefined) {
  yield* Console.log(`${what} ${count}`)
  const missing = ids === undefined ? 0 : new Set(ids).size - count
  if (missing > 0) {
    const message = `${missing} of the ids are of no dead letter that waits in this queue and can be read`
    return yield* new CommandFailed({ message, exitCode: 1 })
  }
})

/** Puts dead letters back into their queue. */
export const redrive = Effect.fnUntraced(function* (name: QueueName, selection: Selection) {
  const ids = yield* idsOf(selection)
  const count = yield* withLetterbox((letterbox) => letterbox.redrive(name, ids))
  yield* report("Redriven", count, ids)
})

/** Decides that the jobs of dead letters will not be done. */
export const discard = Effect.fnUntraced(function* (name: QueueName, reason: string, selection: Selection) {
  const ids = yield* idsOf(selection)
  const count = yield* withLetterbox((letterbox) => letterbox.discard(name, reason, ids))
  yield* report("Discarded", count, ids)
})
