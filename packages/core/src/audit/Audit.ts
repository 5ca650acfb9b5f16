import { type AuditEntry, type AuditOutcome } from "@devops-mcp/domain/Audit"
import { AuditId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { auditLinger, auditRetry } from "@devops-mcp/resilience/Policies"
import { Array, Context, DateTime, Effect, Layer, Queue } from "effect"
import { makeNewId } from "../NewId.ts"
import { AuditRepository } from "../ports/AuditRepository.ts"

/** One act of an authenticated caller. */
export interface Act {
  readonly principal: Principal
  readonly action: string
  readonly target?: string
  readonly outcome: AuditOutcome
  readonly requestId: string
  readonly durationMs: number
}

/** Acts that wait to be written; beyond it callers wait, so none is dropped. */
const backlog = 10_000

/** Rows in one statement: its parameters are numbered with 16 bits, and a row takes nine of them. */
const longestBatch = 500

interface Row {
  readonly tenantId: Principal["tenantId"]
  readonly entry: AuditEntry
}

/**
 * Puts every act on record. Rows are written in batches behind the answer, so that the record costs a caller no
 * round trip; at shutdown the rest is written before the program ends.
 */
export class Audit extends Context.Service<
  Audit,
  {
    readonly record: (act: Act) => Effect.Effect<void>
  }
>()("@devops-mcp/core/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function* () {
      const repository = yield* AuditRepository
      const newId = yield* makeNewId
      const queue = yield* Queue.bounded<Row>(backlog)

      const write = (batch: ReadonlyArray<Row>) =>
        repository.append(batch).pipe(
          Effect.retry(auditRetry),
          Effect.catch((error) => Effect.logError("Audit rows were lost", error, { rows: batch.length }))
        )

      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Queue.clear(queue), (rest) =>
          Effect.forEach(Array.chunksOf(rest, longestBatch), write, { discard: true })
        )
      )
      // Taken and written without interruption in between, so that a shutdown cannot lose a batch.
      const writeNext = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Queue.takeBetween(queue, 1, longestBatch)), write)
      )
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(writeNext, () =>
            // A busy program fills whole batches meanwhile; one that fell behind does not wait.
            Effect.flatMap(Queue.size(queue), (size) => (size < longestBatch ? Effect.sleep(auditLinger) : Effect.void))
          )
        )
      )

      // Untraced: it is a part of every request, and only puts a row into a queue.
      const record = Effect.fnUntraced(function* ({ principal, ...act }: Act) {
        const entry: AuditEntry = {
          ...act,
          id: yield* newId(AuditId),
          actor: principal.actor,
          occurredAt: yield* DateTime.now
        }
        yield* Queue.offer(queue, { tenantId: principal.tenantId, entry })
      })

      return Audit.of({ record })
    })
  )
}
