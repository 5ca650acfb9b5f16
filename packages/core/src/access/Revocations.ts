import { ApiKeyId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { busRetry } from "@devops-mcp/resilience/Policies"
import { Context, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { Bus } from "../ports/Bus.ts"

const channel = "revocations"

/** Ids remembered: many more than can be revoked while a lookup from before is still trusted. */
const mostRemembered = 10_000

const decode = Schema.decodeUnknownEffect(ApiKeyId)

const isKeyId = Schema.is(ApiKeyId)

/**
 * Which keys were revoked lately, by whichever replica: known here as soon as the bus has said so. A lookup that began
 * before cannot undo it. What the bus loses is found out when the lookup is made again.
 */
export class Revocations extends Context.Service<
  Revocations,
  {
    /** Never fails: the key is revoked whether or not others hear of it. */
    readonly announce: (id: ApiKeyId) => Effect.Effect<void>
    readonly includes: (id: ApiKeyId) => boolean
    /** Told of each key that is revoked while the scope is open. */
    readonly listen: (hear: (id: ApiKeyId) => void) => Effect.Effect<void, never, Scope.Scope>
    /** Ends when the caller's key is revoked; never for other credentials. What a caller keeps open lives as long. */
    readonly ofCaller: (principal: Principal) => Effect.Effect<void>
  }
>()("@devops-mcp/core/access/Revocations") {
  static readonly layer = Layer.effect(
    Revocations,
    Effect.gen(function* () {
      const bus = yield* Bus
      const revoked = new Set<ApiKeyId>()

      const listeners = new Set<(id: ApiKeyId) => void>()

      const remember = (id: ApiKeyId) => {
        revoked.add(id)
        for (const hear of listeners) hear(id)
        const [oldest] = revoked
        if (revoked.size > mostRemembered && oldest !== undefined) revoked.delete(oldest)
      }

      const hear = (message: string) =>
        decode(message).pipe(
          Effect.map(remember),
          Effect.catch((error) => Effect.logWarning("A revocation could not be read", error))
        )

      yield* bus.subscribe(channel).pipe(
        Effect.flatMap(Stream.runForEach(hear)),
        Effect.scoped,
        Effect.tapError((error) => Effect.logWarning("Revocations by other replicas are heard late", error)),
        Effect.retry(busRetry),
        Effect.forkScoped({ startImmediately: true })
      )

      return Revocations.of({
        announce: Effect.fn("Revocations.announce")(function* (id) {
          remember(id)
          yield* bus
            .publish(channel, id)
            .pipe(Effect.catch((error) => Effect.logWarning("Other replicas hear late of a revocation", error)))
        }),
        includes: (id) => revoked.has(id),
        listen: (hear) =>
          Effect.acquireRelease(
            Effect.sync(() => void listeners.add(hear)),
            () => Effect.sync(() => void listeners.delete(hear))
          ),
        ofCaller: ({ actor, credential }) => {
          if (credential !== "api_key" || !isKeyId(actor)) return Effect.never
          return Effect.callback<void>((resume) => {
            if (revoked.has(actor)) return resume(Effect.void)
            const hear = (id: ApiKeyId) => {
              if (id === actor) resume(Effect.void)
            }
            listeners.add(hear)
            return Effect.sync(() => void listeners.delete(hear))
          })
        }
      })
    })
  )
}
