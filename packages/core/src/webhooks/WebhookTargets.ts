import type { InvalidInput, NotFound, StaleSignature, Unauthenticated } from "@devops-mcp/domain/Errors"
import type { WebhookId } from "@devops-mcp/domain/Ids"
import { webhookCaching } from "@devops-mcp/resilience/Policies"
import { Cache, Duration, Effect, Exit, type Redacted } from "effect"
import type { ObjectStoreError } from "../ports/ObjectStore.ts"
import { StoreError } from "../ports/StoreError.ts"
import { type WebhookTarget, WebhookRepository } from "../ports/WebhookRepository.ts"
import { webhookSecret } from "../secrets/Purposes.ts"
import type { SealedText } from "../secrets/SealedText.ts"
import { Secrets } from "../secrets/Secrets.ts"

const capacity = 10_000

type Refused = NotFound | Unauthenticated | StaleSignature | InvalidInput | StoreError | ObjectStoreError

/** What another secret, or a webhook that is gone, looks like to who remembers the one of before. */
const isOutdated = (error: Refused): boolean =>
  error._tag === "@devops-mcp/domain/Errors/Unauthenticated" ||
  (error._tag === "@devops-mcp/core/ports/StoreError" && !error.retryable)

/**
 * The webhooks that deliveries came for lately, with their opened secrets, each for `webhookCaching`: a delivery then
 * costs no transaction but its own. Nothing is refused on the word of what is remembered: that is looked up again first,
 * so a new secret works at once. A secret that was taken back on another replica works no longer than that time.
 */
export const makeWebhookTargets = Effect.gen(function* () {
  const repository = yield* WebhookRepository
  const secrets = yield* Secrets
  const known = yield* Cache.makeWith((id: WebhookId) => repository.target(id), {
    capacity,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? webhookCaching : Duration.zero)
  })
  // Opened secrets are forgotten with the webhook that they are of.
  const opened = new WeakMap<WebhookTarget, Map<SealedText, Redacted.Redacted>>()

  /** Who sends repeats a delivery that met an outage, and a key that is missing from the configuration is one. */
  const open = Effect.fnUntraced(function* (target: WebhookTarget, sealed: SealedText) {
    const before = opened.get(target) ?? new Map<SealedText, Redacted.Redacted>()
    const plain = before.get(sealed)
    if (plain !== undefined) return plain
    const secret = yield* secrets
      .open(target.tenantId, webhookSecret(target.webhook.id), sealed)
      .pipe(Effect.mapError((cause) => new StoreError({ operation: "webhooks.secret", retryable: false, cause })))
    opened.set(target, before.set(sealed, secret))
    return secret
  })

  const forget = (id: WebhookId) => Cache.invalidate(known, id)

  /** Runs the effect with the webhook as it is remembered, and once more as it is now if the first does not fit. */
  const use = Effect.fnUntraced(function* <A, E extends Refused>(
    id: WebhookId,
    take: (target: WebhookTarget) => Effect.Effect<A, E>
  ) {
    const isKnown = yield* Cache.has(known, id)
    const taken = Effect.flatMap(Cache.get(known, id), take)
    return yield* Effect.catch(taken, (error) =>
      isKnown && isOutdated(error) ? Effect.andThen(forget(id), taken) : Effect.fail(error)
    )
  })

  return { open, forget, use }
})
