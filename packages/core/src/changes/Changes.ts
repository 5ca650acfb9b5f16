import { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import { busRetry } from "@devops-mcp/resilience/Policies"
import { Context, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { Bus } from "../ports/Bus.ts"

/** What agents may want to know of, always of one tenant. */
export const Change = Schema.TaggedUnion({
  /** A tool was configured, changed or removed. */
  ToolsChanged: { tenantId: TenantId },
  /** There is a resource more or fewer. */
  ResourcesChanged: { tenantId: TenantId },
  /** What a resource says has changed. */
  ResourceUpdated: { tenantId: TenantId, uri: Schema.String },
  PromptsChanged: { tenantId: TenantId },
  TaskChanged: { tenantId: TenantId, taskId: TaskId }
})
export type Change = typeof Change.Type

const channel = "changes"

/** A change on its way, with the replica that it comes from: that one has told its own listeners already. */
const Notice = Schema.fromJsonString(Schema.Struct({ replica: Schema.String, change: Change }))
const encode = Schema.encodeSync(Notice)
const decode = Schema.decodeEffect(Notice)

/**
 * Tells every replica's listeners what has changed, this one's first and at once. At most once, like the bus: who must
 * not miss a change reads the database too. One subscription of the bus serves all listeners of the process.
 */
export class Changes extends Context.Service<
  Changes,
  {
    /** Never fails: a change is made whether or not others hear of it. */
    readonly announce: (change: Change) => Effect.Effect<void>
    /** Calls the listener with every later change until the scope closes. It must return at once and not throw. */
    readonly listen: (listener: (change: Change) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@devops-mcp/core/changes/Changes") {
  static readonly layer = Layer.effect(
    Changes,
    Effect.gen(function* () {
      const bus = yield* Bus
      const replica = yield* (yield* SecureRandom.SecureRandom).uuidV7()
      const listeners = new Set<(change: Change) => void>()

      const tell = (change: Change) => {
        for (const listener of listeners) listener(change)
      }

      const hear = (message: string) =>
        decode(message).pipe(
          Effect.map((notice) => (notice.replica === replica ? undefined : tell(notice.change))),
          Effect.catch((error) => Effect.logWarning("A change could not be read", error))
        )

      yield* bus.subscribe(channel).pipe(
        Effect.flatMap(Stream.runForEach(hear)),
        Effect.scoped,
        Effect.tapError((error) => Effect.logWarning("Changes of other replicas are not heard", error)),
        Effect.retry(busRetry),
        Effect.forkScoped({ startImmediately: true })
      )

      return Changes.of({
        announce: Effect.fn("Changes.announce")(function* (change) {
          tell(change)
          yield* bus
            .publish(channel, encode({ replica, change }))
            .pipe(Effect.catch((error) => Effect.logDebug("Other replicas do not hear of a change", error)))
        }),
        listen: (listener) =>
          Effect.asVoid(
            Effect.acquireRelease(
              Effect.sync(() => listeners.add(listener)),
              () => Effect.sync(() => listeners.delete(listener))
            )
          )
      })
    })
  )
}
