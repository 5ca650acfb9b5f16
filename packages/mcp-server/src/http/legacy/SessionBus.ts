import { Bus } from "@devops-mcp/core/ports/Bus"
import { McpSessionId, TenantId } from "@devops-mcp/domain/Ids"
import { busRetry } from "@devops-mcp/resilience/Policies"
import { Effect, Schema, Stream } from "effect"
import { SecureRandom } from "effect/crypto"

/** What replicas tell each other about sessions. */
export const SessionNews = Schema.TaggedUnion({
  /** The client ended it. */
  Ended: { tenantId: TenantId, sessionId: McpSessionId },
  /** Something in its row is not as it was. */
  Changed: { tenantId: TenantId, sessionId: McpSessionId },
  /** The client does not want an answer any more. */
  Cancelled: {
    sessionId: McpSessionId,
    requestId: Schema.Union([Schema.String, Schema.Finite]),
    reason: Schema.optionalKey(Schema.String)
  },
  /** The client answered a request of an exchange that runs elsewhere. */
  Replied: { sessionId: McpSessionId, replica: Schema.String, exchange: Schema.Finite, message: Schema.Json },
  /** Somebody reads a stream now; whoever else does stops. */
  Taken: { stream: Schema.String, reader: Schema.String }
})
export type SessionNews = typeof SessionNews.Type

const channel = "mcp-sessions"

const Notice = Schema.fromJsonString(Schema.Struct({ from: Schema.String, news: SessionNews }))
const encode = Schema.encodeSync(Notice)
const decode = Schema.decodeEffect(Notice)

/** At most once, like the bus under it: what a lost message leaves behind has a time limit everywhere. */
export const makeSessionBus = Effect.gen(function* () {
  const bus = yield* Bus
  const replica = yield* (yield* SecureRandom.SecureRandom).uuidV4()

  return {
    /** This one's name among the replicas. */
    replica,
    tell: (news: SessionNews) =>
      bus
        .publish(channel, encode({ from: replica, news }))
        .pipe(Effect.catch((error) => Effect.logDebug("Other replicas do not hear of a session", error))),
    /** Calls the listener with what other replicas tell. */
    listen: (listener: (news: SessionNews) => Effect.Effect<void>) =>
      bus.subscribe(channel).pipe(
        Effect.flatMap(
          Stream.runForEach((message) =>
            decode(message).pipe(
              Effect.flatMap(({ from, news }) => (from === replica ? Effect.void : listener(news))),
              Effect.catch((error) => Effect.logWarning("News of a session could not be read", error))
            )
          )
        ),
        Effect.scoped,
        Effect.tapError((error) => Effect.logWarning("Sessions on other replicas are not heard", error)),
        Effect.retry(busRetry),
        Effect.forkScoped({ startImmediately: true })
      )
  }
})
export type SessionBus = Effect.Success<typeof makeSessionBus>
