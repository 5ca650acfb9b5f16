import type { QueueName } from "@devops-mcp/contract/Jobs"
import { outboxLag } from "@devops-mcp/observability/Metrics"
import {
  relayConcurrency,
  relayPolling,
  relayRenewal,
  relayRetry,
  relayWaiting
} from "@devops-mcp/resilience/JobPolicies"
import { Effect, type Latch, Metric, Option } from "effect"
import { type Bodies, bytesOf } from "./Bodies.ts"
import { type Lease, makeLease } from "./Lease.ts"
import type { KnownJob, Outbox, OutboxRow } from "./Outbox.ts"
import { type OutgoingMessage, SqsClient } from "./SqsClient.ts"
import { SqsQueues } from "./SqsQueues.ts"

/** Messages in one request, and bytes of all their bodies. */
const largestBatch = { messages: 10, bytes: 240 * 1024 }

export const jobIdAttribute = "jobId"

/** How often the job had been sent again when this message was sent. */
const resentAttribute = "resent"

/** Whether the job has been sent again since this message was sent, which then brings nothing. */
export const isOlder = (attributes: Readonly<Record<string, string>>, { resent }: KnownJob) =>
  Number(attributes[resentAttribute] ?? 0) < resent

interface Ready {
  readonly row: OutboxRow
  readonly message: OutgoingMessage
}

/** Cut so that each fits one request. */
const batchesOf = (messages: ReadonlyArray<Ready>): ReadonlyArray<ReadonlyArray<Ready>> => {
  const batches: Array<Array<Ready>> = []
  let room = 0
  for (const ready of messages) {
    const size = bytesOf(ready.message.body).length
    const last = batches.at(-1)
    if (last === undefined || last.length === largestBatch.messages || size > room) {
      batches.push([ready])
      room = largestBatch.bytes - size
    } else {
      last.push(ready)
      room -= size
    }
  }
  return batches
}

/** The nth round has the nth row of each group, so that no two rows of a group are in one request. */
const roundsOf = (rows: ReadonlyArray<OutboxRow>): ReadonlyArray<ReadonlyArray<OutboxRow>> => {
  const rounds: Array<Array<OutboxRow>> = []
  const reached = new Map<string, number>()
  for (const row of rows) {
    const round = reached.get(row.groupKey) ?? 0
    reached.set(row.groupKey, round + 1)
    const rowsOfRound = rounds[round]
    if (rowsOfRound === undefined) rounds.push([row])
    else rowsOfRound.push(row)
  }
  return rounds
}

/**
 * Sends what is in the outbox to SQS. Several may run: one at a time has the lease, and what it has sent counts only
 * while it does, so a relay that was held up cannot mark what another one is sending. A group's jobs are sent in their
 * order, one after the other: what follows a job that SQS did not take waits with it.
 */
export const makeRelay = Effect.fnUntraced(function* (outbox: Outbox, bodies: Bodies, offered: Latch.Latch) {
  const client = yield* SqsClient
  const queues = yield* SqsQueues
  const lease = yield* makeLease("relay")

  const ready = Effect.fnUntraced(function* (row: OutboxRow, isFifo: boolean) {
    const { attributes, body } = yield* bodies.put(row.sequence, row.body)
    const traceparent = row.traceparent === null ? {} : { traceparent: row.traceparent }
    // Of another id: SQS drops for five minutes what has the id of a message that it has had.
    const again =
      row.resent === 0
        ? { deduplicationId: row.id, attributes: {} }
        : { deduplicationId: `${row.id}#${row.resent}`, attributes: { [resentAttribute]: String(row.resent) } }
    return {
      row,
      message: {
        entryId: row.sequence,
        body,
        attributes: { ...attributes, ...traceparent, ...again.attributes, [jobIdAttribute]: row.id },
        ...(isFifo ? { fifo: { group: row.groupKey, deduplicationId: again.deduplicationId } } : {})
      }
    }
  })

  /** The sequences of those that SQS has. */
  const sendAll = Effect.fnUntraced(function* (url: string, isFifo: boolean, rows: ReadonlyArray<OutboxRow>) {
    const messages = yield* Effect.forEach(rows, (row) =>
      ready(row, isFifo).pipe(
        Effect.asSome,
        Effect.catch((error) => Effect.as(Effect.logWarning(error.message, error), Option.none<Ready>()))
      )
    )
    const sent = yield* Effect.forEach(
      batchesOf(messages.flatMap(Option.toArray)),
      (batch) =>
        client
          .send(
            url,
            batch.map(({ message }) => message)
          )
          .pipe(Effect.catch((error) => Effect.as(Effect.logWarning(error.message, error), new Set<string>()))),
      { concurrency: relayConcurrency }
    )
    return sent.flatMap((entries) => [...entries])
  })

  const sendQueue = Effect.fnUntraced(function* (name: QueueName, rows: ReadonlyArray<OutboxRow>) {
    const queue = queues.get(name)
    if (queue === undefined) return []
    if (!queue.isFifo) return yield* sendAll(queue.url, false, rows)
    const sent: Array<string> = []
    const stuck = new Set<string>()
    for (const round of roundsOf(rows)) {
      const going = round.filter(({ groupKey }) => !stuck.has(groupKey))
      if (going.length === 0) break
      const arrived = new Set(yield* sendAll(queue.url, true, going))
      for (const { groupKey, sequence } of going) {
        if (arrived.has(sequence)) sent.push(sequence)
        else stuck.add(groupKey)
      }
    }
    return sent
  })

  /** Sends what waits; answers how much of it was sent, and none when the lease is gone. */
  const pass = Effect.fnUntraced(function* (held: Lease) {
    const rows = yield* outbox.unsent
    yield* Metric.update(outboxLag, Math.max(0, ...rows.map(({ ageSeconds }) => ageSeconds)))
    if (rows.length === 0) return Option.some(0)
    const byQueue = Map.groupBy(rows, ({ queue }) => queue)
    const sent = yield* Effect.forEach(byQueue, ([name, own]) => sendQueue(name, own), { concurrency: "unbounded" })
    const arrived = new Set(sent.flat())
    // All of it failed: the service is away, so it is not asked again at once.
    if (arrived.size === 0) return yield* Effect.as(Effect.sleep(relayWaiting), Option.some(0))
    const marked = rows.filter(({ sequence }) => arrived.has(sequence))
    return (yield* outbox.markSent(marked, lease.isHeld(held))) ? Option.some(marked.length) : Option.none()
  })

  /** Sending may take its time, so the lease is prolonged beside it. */
  const prolong = Effect.schedule(
    lease.acquire.pipe(Effect.catch((error) => Effect.logDebug("The relay's lease is not prolonged", error))),
    relayRenewal
  )

  const whileHeld = Effect.fnUntraced(function* (held: Lease) {
    yield* Effect.forkScoped(prolong)
    while (true) {
      offered.closeUnsafe()
      const moved = yield* pass(held)
      if (Option.isNone(moved)) return
      if (moved.value === 0) {
        yield* Effect.raceFirst(offered.await, Effect.sleep(relayPolling))
        // An idle relay learns here that another one has taken over.
        if (!(yield* lease.holds(held))) return
      }
    }
  }, Effect.scoped)

  const oneTerm = Effect.flatMap(
    lease.acquire,
    Option.match({ onNone: () => Effect.sleep(relayWaiting), onSome: whileHeld })
  )

  return oneTerm.pipe(
    Effect.tapError((error) => Effect.logWarning("The relay of jobs to SQS is held up", error)),
    Effect.retry(relayRetry),
    // The schedule has no end.
    Effect.orDie,
    Effect.forever,
    Effect.ensuring(Effect.ignore(lease.release))
  )
})
