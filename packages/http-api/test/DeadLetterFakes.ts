import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { NotFound } from "@devops-mcp/domain/Errors"
import { DeadLetterId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Layer } from "effect"

export const deadLetter: DeadLetter = {
  id: DeadLetterId.make("01980000-0000-7000-8000-0000000000b2"),
  queue: "deliveries",
  jobId: "delivery-1",
  type: "IngestDelivery",
  error: "The model refused",
  attempts: 8,
  redrives: 0,
  payload: { _tag: "IngestDelivery" },
  failedAt: DateTime.makeUnsafe("2026-01-02T03:04:05Z")
}

/** What was put back or discarded: ids, or undefined for all, after the queue and the reason. */
export const decisions: Array<ReadonlyArray<unknown>> = []

const decided = (count: number, ...decision: ReadonlyArray<unknown>) =>
  Effect.sync(() => {
    decisions.push(decision)
    return count
  })

/** One letter in the queue of deliveries, which nobody has discarded. */
export const DeadLettersFake = Layer.mock(DeadLetters, {
  queues: () =>
    Effect.succeed([{ name: "deliveries" as const, depth: 2, inFlight: 1, oldestAgeSeconds: 0.5, deadLetters: 1 }]),
  list: (_tenant, queue, { cursor, discarded = false }) =>
    cursor === undefined
      ? Effect.succeed({ items: queue === "deliveries" && !discarded ? [deadLetter] : [], nextCursor: null })
      : Effect.fail(new CursorError()),
  get: (_tenant, queue, id) =>
    queue === "deliveries" && id === deadLetter.id
      ? Effect.succeed(deadLetter)
      : Effect.fail(new NotFound({ resource: "dead letter", id })),
  redrive: (_tenant, queue, ids) => decided(ids?.length ?? 1, queue, ids),
  discard: (_tenant, queue, reason, ids) => decided(ids?.length ?? 1, queue, reason, ids)
})
