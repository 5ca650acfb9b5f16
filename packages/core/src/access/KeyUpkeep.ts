import { apiKeyUseInterval } from "@devops-mcp/resilience/Policies"
import { DateTime, Effect, Queue } from "effect"
import { ApiKeyRepository, type StoredKey } from "../ports/ApiKeyRepository.ts"
import type { PresentedKey } from "./ApiKeySecret.ts"

/** Notes that may wait to be written; of one more, the key's next lookup will tell. */
const mostWaiting = 1_000

interface Use {
  readonly stored: StoredKey
  readonly presented: PresentedKey
  readonly at: DateTime.Utc
}

/**
 * Writes what there is to write of keys in use, one at a time and with nobody waiting for it: when they were used, and
 * how they are to be stored from now on. What could not be written is noted again when the key is next looked up.
 */
export const makeKeyUpkeep = Effect.gen(function* () {
  const repository = yield* ApiKeyRepository
  const uses = yield* Queue.dropping<Use>(mostWaiting)

  const isDue = ({ at, stored: { key } }: Use) =>
    key.lastUsedAt === undefined ||
    DateTime.isLessThanOrEqualTo(DateTime.addDuration(key.lastUsedAt, apiKeyUseInterval), at)

  const write = ({ at, presented, stored }: Use) =>
    Effect.gen(function* () {
      yield* repository.markUsed(stored.tenantId, stored.key.id, at)
      const renewed = presented.renewed(stored.proof)
      if (renewed !== undefined) yield* repository.renew(stored, renewed, presented.prefix)
    }).pipe(Effect.catch((error) => Effect.logDebug("The use of an API key could not be noted", error)))

  yield* Queue.take(uses).pipe(Effect.flatMap(write), Effect.forever, Effect.forkScoped)

  return {
    note: (use: Use): void => {
      if (isDue(use) || use.presented.renewed(use.stored.proof) !== undefined) Queue.offerUnsafe(uses, use)
    }
  }
})
