import type { AuditEntry, AuditOutcome } from "@devops-mcp/domain/Audit"
import { AuditId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { auditRowsLost } from "@devops-mcp/observability/Metrics"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { auditBatchTimeout, auditDrain, auditLinger, auditRetry, auditWait } from "@devops-mcp/resilience/Policies"
import { type Cause, Context, DateTime, Deferred, Effect, Fiber, Latch, Layer, Metric, Option, Queue } from "effect"
import { makeNewId } from "../NewId.ts"
import { AuditRepository } from "../ports/AuditRepository.ts"
import { StoreError } from "../ports/StoreError.ts"
import { makeAuditChain } from "./AuditChain.ts"
import { noting } from "./OnRecord.ts"
import { makeRefusals, type Refusal } from "./Refusals.ts"
import { makeRepeated } from "./Repeated.ts"

/** One act of an authenticated caller. */
export interface Act {
  readonly principal: Principal
  readonly action: string
  readonly target?: string
  readonly outcome: AuditOutcome
  /** Whether it may have changed something: then its answer waits until it is on record. */
  readonly changes: boolean
  readonly requestId: string
  readonly durationMs: number
}

/** The act of a caller who was turned away. */
export const refusedAct = (principal: Principal, { limit, reason }: Omit<Refusal, "principal">): Effect.Effect<Act> =>
  Effect.map(RequestId, (requestId) => ({
    principal,
    action: `refused.${reason}`,
    ...(limit === undefined ? {} : { target: limit }),
    outcome: "denied",
    changes: false,
    requestId,
    durationMs: 0
  }))

/** Acts that wait to be written, some ten megabytes of them; beyond it callers wait, for `auditWait` at most. */
const backlog = 10_000

/** Rows in one transaction. */
const longestBatch = 500

/** Characters of a text in a row. Targets are parts of an address, and anybody can send a long one. */
const longestText = 500

interface Row {
  readonly tenantId: Principal["tenantId"]
  readonly entry: AuditEntry
  readonly written: Deferred.Deferred<void> | undefined
}

/** As the database keeps it: what is hashed is what is stored. */
const storable = (text: string) => text.slice(0, longestText).toWellFormed().replaceAll("\0", "\uFFFD")

const appending = { operation: "audit_log.append" }

const tooSlow = new StoreError({ ...appending, retryable: true, cause: new Error("Timed out") })

/**
 * Puts every act on record. Rows are written in batches: behind the answer for a read, so that it costs the caller no
 * round trip; before the answer for an act that changed something, so that no crash leaves it without its row.
 */
export class Audit extends Context.Service<
  Audit,
  {
    readonly record: (act: Act) => Effect.Effect<void>
    /**
     * The same for an act that callers repeat: a row for the first, and one for all others of a minute that are alike. Its
     * target, if it has one, must be one of a few.
     */
    readonly repeated: (act: Omit<Act, "changes">) => Effect.Effect<void>
    /**
     * A request that was turned away: of a caller who is known it is a repeated act, of a stranger it is counted, and
     * logged in moderation.
     */
    readonly refused: (refusal: Refusal) => Effect.Effect<void>
  }
>()("@devops-mcp/core/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function* () {
      const repository = yield* AuditRepository
      const { links } = yield* makeAuditChain
      const newId = yield* makeNewId
      const strangerRefused = yield* makeRefusals
      const queue = yield* Queue.bounded<Row, Cause.Done>(backlog)
      /** Open while an act waits for its row. */
      const waiting = Latch.makeUnsafe(false)
      let underWay = 0
      let ending = false

      const lose = Effect.fnUntraced(function* (row: Row, message: string) {
        yield* Metric.update(auditRowsLost, 1)
        yield* Effect.annotateLogs(Effect.logError(message), summary(row))
      })

      const append = (rows: ReadonlyArray<Row>, again: boolean) =>
        repository.append(rows, links, again).pipe(
          Effect.timeoutOrElse({ duration: auditBatchTimeout, orElse: () => Effect.fail(tooSlow) }),
          // Whatever happens to one batch, the writer goes on.
          Effect.catchDefect((cause) => Effect.fail(new StoreError({ ...appending, retryable: false, cause })))
        )

      const write = (rows: ReadonlyArray<Row>): Effect.Effect<void> => {
        let again = false
        return Effect.suspend(() => append(rows, again)).pipe(
          Effect.tapError((error) => {
            again = true
            return Effect.logError("Audit rows could not be written", error, { rows: rows.length })
          }),
          Effect.retry(auditRetry),
          Effect.matchEffect({
            onSuccess: () =>
              Effect.sync(() => {
                for (const { written } of rows) if (written !== undefined) Deferred.doneUnsafe(written, Effect.void)
              }),
            onFailure: () => {
              const [row] = rows
              if (rows.length > 1) {
                // One row that the store will not take must not take the others with it.
                const middle = Math.ceil(rows.length / 2)
                return Effect.andThen(write(rows.slice(0, middle)), write(rows.slice(middle)))
              }
              return row === undefined ? Effect.void : lose(row, "An audit row was lost: the database does not take it")
            }
          })
        )
      }

      const writeNext = Effect.gen(function* () {
        yield* waiting.close
        const batch = yield* Queue.takeBetween(queue, 1, longestBatch)
        underWay = batch.length
        yield* write(batch)
        underWay = 0
        // A busy program fills whole batches meanwhile; one that fell behind, or has somebody waiting, does not wait.
        if (!ending && Queue.sizeUnsafe(queue) < longestBatch) {
          yield* Effect.timeoutOption(waiting.await, auditLinger)
        }
      })
      const writer = yield* Effect.forkScoped(Effect.ignore(Effect.forever(writeNext)))
      // The writer ends by itself once the queue has been ended and is empty.
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          ending = true
          yield* Queue.end(queue)
          yield* waiting.open
          const ended = yield* Effect.timeoutOption(Fiber.await(writer), auditDrain)
          if (Option.isSome(ended)) return
          const rows = underWay + Queue.sizeUnsafe(queue)
          yield* Metric.update(auditRowsLost, rows)
          yield* Effect.logError("Audit rows were lost: the database did not take them before the program ended", {
            rows
          })
        })
      )

      /** Waits for room in the backlog, and for the row to be written when the act changed something. */
      const recordSlowly = Effect.fnUntraced(function* (row: Row, offered: boolean) {
        let kept = offered
        const { written } = row
        const done = Effect.gen(function* () {
          if (!kept) kept = yield* Queue.offer(queue, row)
          if (!kept || written === undefined) return
          yield* waiting.open
          yield* Deferred.await(written)
        })
        const inTime = yield* Effect.timeoutOption(done, auditWait)
        if (!kept) return yield* lose(row, "An audit row was lost: too many wait already")
        if (Option.isSome(inTime)) return
        const line = Effect.logError("An act is answered before its audit row is stored; the row is kept and tried on")
        yield* Effect.annotateLogs(line, summary(row))
      })

      // Untraced: it is a part of every request, and a read only puts a row into a queue.
      const record = Effect.fnUntraced(function* ({ action, principal, requestId, target, ...act }: Act) {
        const address = yield* ClientAddress
        const entry: AuditEntry = {
          ...act,
          id: yield* newId(AuditId),
          actor: storable(principal.actor),
          credential: principal.credential,
          action: storable(action),
          ...(target === undefined ? {} : { target: storable(target) }),
          requestId: storable(requestId),
          ...(address === undefined ? {} : { address: storable(address) }),
          occurredAt: yield* DateTime.now
        }
        const written = act.changes ? Deferred.makeUnsafe<void>() : undefined
        const row: Row = { tenantId: principal.tenantId, entry, written }
        const offered = Queue.offerUnsafe(queue, row)
        if (!offered || act.changes) yield* recordSlowly(row, offered)
      })

      // It ends before the writer does, so that what it still has to say is written.
      const repeat = yield* makeRepeated(record)

      const refused = ({ principal, ...refusal }: Refusal) =>
        principal === undefined
          ? strangerRefused(refusal.reason)
          : Effect.flatMap(refusedAct(principal, refusal), repeat)

      return Audit.of(noting({ record, repeated: (act) => repeat({ ...act, changes: false }), refused }))
    })
  )
}

const summary = ({ entry: { occurredAt, ...entry }, tenantId }: Row) => ({
  ...entry,
  tenantId,
  occurredAt: DateTime.formatIso(occurredAt)
})
