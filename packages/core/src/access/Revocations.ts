import { ApiKeyId } from "@devops-mcp/domain/Ids"
import { busRetry } from "@devops-mcp/resilience/Policies"
import { Context, Effect, Layer, Schema, Stream } from "effect"
import { Bus } from "../ports/Bus.ts"

const channel = "revocations"

/** Ids remembered: many more than can be revoked while a lookup from before is still trusted. */
const mostRemembered = 10_000

const decode = Schema.decodeUnknownEffect(ApiKeyId)

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
  }
>()("@devops-mcp/core/access/Revocations") {
  static readonly layer = Layer.effect(
    Revocations,
    Effect.gen(function* () {
      const bus = yield* Bus
      const revoked = new Set<ApiKeyId>()

      const remember = (id: ApiKeyId) => {
        revoked.add(id)
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
        includes: (id) => revoked.has(id)
      })
    })
  )
}
