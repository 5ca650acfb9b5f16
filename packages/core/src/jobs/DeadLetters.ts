import type { QueueName } from "@devops-mcp/contract/Jobs"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { DeadLetterId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page } from "@devops-mcp/domain/Page"
import { discardedLifetime } from "@devops-mcp/resilience/JobPolicies"
import { Context, DateTime, Effect, Layer, Option } from "effect"
import type { CursorError } from "../ports/Cursor.ts"
import { type DeadLetterPage, DeadLetterRepository } from "../ports/DeadLetterRepository.ts"
import { JobQueue, type QueueError, type QueueStats } from "../ports/JobQueue.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { readEnvelope } from "./JobEnvelope.ts"
import { queuedId } from "./JobIds.ts"

/** Put back in one transaction; more are put back in several. */
const batch = 200

interface Which {
  readonly ids?: ReadonlyArray<DeadLetterId>
  readonly after?: DeadLetterId
}

/** A queue as its operators see it: the whole installation's work, and their own tenant's dead letters. */
export interface QueueState extends QueueStats {
  readonly deadLetters: number
}

/** What failed for good, for those who mend its cause: look at it, put it back, or decide that it will not be done. */
export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    readonly queues: (tenantId: TenantId) => Effect.Effect<ReadonlyArray<QueueState>, QueueError | StoreError>
    readonly list: (
      tenantId: TenantId,
      queue: QueueName,
      page: DeadLetterPage
    ) => Effect.Effect<Page<DeadLetter>, CursorError | StoreError>
    readonly get: (
      tenantId: TenantId,
      queue: QueueName,
      id: DeadLetterId
    ) => Effect.Effect<DeadLetter, NotFound | StoreError>
    /** Puts back those asked for, all of them without ids; answers how many. They begin with their first attempt. */
    readonly redrive: (
      tenantId: TenantId,
      queue: QueueName,
      ids?: ReadonlyArray<DeadLetterId>
    ) => Effect.Effect<number, QueueError | StoreError>
    /** Answers how many of them were waiting. They can be read for a month more. */
    readonly discard: (
      tenantId: TenantId,
      queue: QueueName,
      reason: string,
      ids?: ReadonlyArray<DeadLetterId>
    ) => Effect.Effect<number, StoreError>
    readonly sweep: Effect.Effect<void, StoreError>
  }
>()("@devops-mcp/core/jobs/DeadLetters") {
  static readonly layer = Layer.effect(
    DeadLetters,
    Effect.gen(function* () {
      const letters = yield* DeadLetterRepository
      const queue = yield* JobQueue
      const transactions = yield* Transactions

      const queues = Effect.fn("DeadLetters.queues")(function* (tenantId: TenantId) {
        const [stats, counts] = [yield* queue.stats, yield* letters.counts(tenantId)]
        return stats.map((state) => ({ ...state, deadLetters: counts.get(state.name) ?? 0 }))
      })

      /** Whether it could be put back: a version that cannot read it keeps it. */
      const offerAgain = Effect.fnUntraced(function* (tenantId: TenantId, letter: DeadLetter) {
        const { group, jobId, payload, redrives } = letter
        const envelope = yield* Effect.option(readEnvelope(payload))
        if (Option.isNone(envelope)) {
          yield* letters.put(tenantId, letter)
          return false
        }
        yield* queue.offer(envelope.value.job, {
          id: queuedId({ id: jobId, redrives: redrives + 1 }),
          ...(group === undefined ? {} : { group })
        })
        return true
      })

      /** One transaction, so a letter is gone exactly when its job waits again. */
      const redriveSome = (tenantId: TenantId, name: QueueName, which: Which) =>
        transactions.run(
          tenantId,
          Effect.gen(function* () {
            const taken = yield* letters.takeOut(tenantId, name, { ...which, limit: batch })
            const offered = yield* Effect.forEach(taken, (letter) => offerAgain(tenantId, letter))
            return { looked: taken, moved: offered.filter((wasOffered) => wasOffered).length }
          })
        )

      const redrive = Effect.fn("DeadLetters.redrive")(function* (
        tenantId: TenantId,
        name: QueueName,
        ids?: ReadonlyArray<DeadLetterId>
      ) {
        // No more than there are now: what fails again meanwhile waits for the next call.
        let open = (yield* letters.counts(tenantId)).get(name) ?? 0
        const named: Which = ids === undefined ? {} : { ids }
        let after: DeadLetterId | undefined
        let total = 0
        while (open > 0) {
          const { looked, moved } = yield* redriveSome(
            tenantId,
            name,
            after === undefined ? named : { ...named, after }
          )
          const last = looked.at(-1)
          if (last === undefined) break
          // What could not be read is there still, and is not looked at again.
          after = last.id
          total += moved
          open -= looked.length
        }
        return total
      })

      const discard = Effect.fn("DeadLetters.discard")(function* (
        tenantId: TenantId,
        name: QueueName,
        reason: string,
        ids?: ReadonlyArray<DeadLetterId>
      ) {
        const at = yield* DateTime.now
        return yield* letters.discard(tenantId, name, { reason, at, ...(ids === undefined ? {} : { ids }) })
      })

      const sweep = Effect.gen(function* () {
        const removed = yield* letters.sweep(DateTime.subtractDuration(yield* DateTime.now, discardedLifetime))
        if (removed > 0) yield* Effect.logInfo("Discarded dead letters were removed", { removed })
      }).pipe(Effect.withSpan("DeadLetters.sweep"))

      return DeadLetters.of({ queues, list: letters.list, get: letters.get, redrive, discard, sweep })
    })
  )
}
