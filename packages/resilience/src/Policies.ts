import { Duration, Effect, Schedule } from "effect"

/** How long one action of the git tool takes at most, with its wait for a free slot; well under the 60 s of any call. */
export const gitActionTimeout = Duration.seconds(30)

/** Git processes at once in one program: they read disks, more of them only get slower. */
export const gitConcurrency = 4

/** Git processes beside those that go through a whole history: few, for each can take minutes. */
export const gitLongConcurrency = 2

/** How long a git process has to end after SIGTERM before it is killed. */
export const gitKillGrace = Duration.seconds(1)

/** How long any action of a tool takes at most. */
export const toolCallTimeout = Duration.seconds(60)

/** Failures that say whether the same call may succeed later, and how long they were asked to wait. */
export interface Retryable {
  readonly retryable: boolean
}

/** How long a program may take to finish what it is doing when it is asked to stop. */
export const drainTimeout = Duration.seconds(8)

/** How long audit rows of reads are collected after the last batch was written, so that a batch has many. */
export const auditLinger = Duration.millis(50)

/** How long an act that changed something waits for its audit row; then its answer goes out, and the row is tried on. */
export const auditWait = Duration.seconds(2)

/** How long one batch of audit rows may take to be written before it is tried again. */
export const auditBatchTimeout = Duration.seconds(10)

/** Audit rows are tried for as long as the program runs: no restart of a database may lose them. */
export const auditRetry = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How long audit rows that are not written yet have when the program stops; what is left then is lost, and logged. */
export const auditDrain = Duration.seconds(5)

/** Refusals of callers that nobody knows are counted all and logged so often; anybody can cause as many as they like. */
export const refusalLogs = { lines: 10, window: Duration.minutes(1) }

/** Acts that are all alike have two audit rows within so long, however many there are; and how often it is looked whose time is over. */
export const repeatedActsWindow = Duration.minutes(1)
export const repeatedActs = Schedule.spaced("10 seconds")

/** How often the audit log's partitions are looked after. */
export const auditUpkeep = Schedule.spaced("1 hour")

/** How long the local embedding model has to start; it takes half a second on an idle machine. */
export const modelStartTimeout = Duration.seconds(60)

/** How long the local embedding model has for one text; it takes up to a quarter of a second on an idle machine. */
export const modelTextTimeout = Duration.seconds(30)

/** After which time without a text the local embedding model gives its memory back. */
export const modelIdleTime = Duration.minutes(10)

/** Calls that may wait for the local embedding model; one more is told to come back later. */
export const modelCallsWaiting = 256

/** How long one request for embeddings to an API may take, with its answer's body. */
export const embeddingRequestTimeout = Duration.seconds(30)

/** Requests for embeddings to an API at once in one program. */
export const embeddingConcurrency = 4

/** Longer than this no caller waits inside one call because an API said `Retry-After`; the job's own schedule does. */
export const longestRetryAfter = Duration.seconds(20)

/** A failed request for embeddings to an API: a few tries within seconds, never before the API said we may. */
export const embeddingRequestRetry = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 }),
  Schedule.setInputType<Retryable & { readonly retryAfter?: number }>(),
  Schedule.while(({ input }) => input.retryable && (input.retryAfter ?? 0) <= Duration.toMillis(longestRetryAfter)),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfter ?? 0)))
  )
)

/** How long a connection to Redis may take to be made, at the start of the program and again after a loss. */
export const redisConnectTimeout = Duration.seconds(5)

/** How long Redis has to answer a command: callers go on without the cache rather than wait. */
export const redisCommandTimeout = Duration.seconds(2)

/** Milliseconds before the nth attempt to connect to a lost Redis; it goes on for ever, and never slower than this. */
export const redisReconnectDelay = (attempt: number) => Math.min(50 * 2 ** attempt, 2_000)

/** Who listens to the bus tries again when its server does not take the subscription, for as long as it runs. */
export const busRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/** How often the demo looks whether its events are processed, and how long it may take in all. */
export const demoPolling = Schedule.spaced("200 millis")
export const demoTimeout = Duration.seconds(60)

/** How often a program publishes how many of its connections to the database are used. */
export const poolSampling = Schedule.spaced("5 seconds")

/** How long a task and its result are kept when nobody says otherwise. */
export const taskLifetime = Duration.hours(24)

/** How often clients are asked to look at a task. */
export const taskPollInterval = Duration.seconds(1)

/** How often a worker looks whether the task it runs is still its own, where it is not told of a cancellation. */
export const taskWatching = Duration.seconds(2)

/** Between two published states of a task's progress; the newest wins. */
export const taskProgressInterval = Duration.millis(300)

/** Between two announcements that a task has got on; the newest state is what listeners then read. */
export const taskNewsInterval = Duration.seconds(1)

/** How often a run of a task says that it is alive; when the database does not answer, it tries to until it does. */
export const taskHeartbeat = Duration.minutes(1)
export const taskHeartbeatRetry = Schedule.spaced("2 seconds")

/**
 * After which silence of its run a task is given up. The queue gives a dead worker's job to another one within half a
 * minute, so what is still silent had used up its attempts. The database's policy on the tasks says the same.
 */
export const taskSilence = Duration.minutes(10)

/** How long a client waits to learn which of its tasks it may follow; what is not known by then is not followed. */
export const taskListening = Duration.seconds(5)

/** How often tasks whose time is over are removed, and those whose run died given up. */
export const taskSweeping = Schedule.spaced("5 minutes")

/** How long an action that is known to take long may take when it is run as a task. */
export const longActionTimeout = Duration.minutes(5)

/** How often a stream of server-sent events says that it is alive; proxies close connections after a minute of silence. */
export const sseKeepAlive = Schedule.spaced("15 seconds")

/** How long the authorization server has to send its keys. */
export const jwksTimeout = Duration.seconds(5)

/** For how long its keys are used without reading them again; so long a key it withdrew may still be accepted. */
export const jwksMaxAge = Duration.minutes(10)

/** A token of an unknown key has the keys read again, but not sooner than this after the last time. */
export const jwksCooldown = Duration.seconds(30)

/** How long it is taken as unreachable before somebody's token has us ask again. */
export const jwksRetryAfter = Duration.seconds(5)

/** How often WebSockets are pinged and their credentials checked again; who did not answer the ping before is gone. */
export const webSocketSweep = Schedule.spaced("30 seconds")

/** How long WebSockets have to finish what they were asked when the server stops; well under `drainTimeout`. */
export const webSocketDrain = Duration.seconds(5)

/** How long a peer has to answer the end of its WebSocket before the connection is cut. */
export const webSocketCloseTimeout = Duration.seconds(1)

/** How long checking the credential of a new WebSocket may take. */
export const webSocketAdmission = Duration.seconds(10)

/** How long a kept result may take to be written or read, with the store of large objects included. */
export const resultStoreTimeout = Duration.seconds(20)

/** How long a kept result can be read. */
export const resultLifetime = Duration.hours(24)

/** Who finds a tenant's list of kept results being written tries again, and goes on without the lock after two seconds. */
export const resultListRetry = Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 40 }))

/** How long a client may take to send a request's body. */
export const requestBodyTimeout = Duration.seconds(30)

/** How long a session of the 2025 revisions is kept after its client was last heard of. */
export const mcpSessionLifetime = Duration.hours(24)

/** How old the note of a session's last use may become before it is written again. */
export const mcpSessionTouching = Duration.minutes(1)

/** How long a replica trusts what it has read of a session. */
export const mcpSessionCaching = Duration.seconds(1)

/** How often sessions and events whose time is over are removed. */
export const mcpSessionSweeping = Schedule.spaced("10 minutes")

/** How long a replica keeps a server ready for a session that nobody uses. */
export const mcpIdleServerLifetime = Duration.minutes(5)

/** How long the events of a stream can be resumed from. */
export const mcpEventLifetime = Duration.hours(1)

/** After which silence of a handler its answer becomes a stream, which can be resumed and says that it is alive. */
export const mcpStreamAfter = Duration.seconds(5)

/** How often the owner of a stream tells other replicas' readers that more may come. */
export const mcpStreamHeartbeat = Schedule.spaced("15 seconds")

/** After which silence a stream's owner is taken for dead. */
export const mcpStreamSilence = Duration.seconds(45)

/** How long clients that lost a stream should wait before they resume it. */
export const mcpReconnectDelay = Duration.seconds(1)

/** Events of a stream are kept trying for about a second: the client waits for them meanwhile. */
export const mcpEventRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How long a third-party tool's authorization server has for one answer; a refresh is never tried twice by itself. */
export const oauthRequestTimeout = Duration.seconds(10)

/** How long somebody has to allow a connection of their account. */
export const connectionFlowLifetime = Duration.minutes(10)

/** So long before its end an access token is renewed: whoever gets it can still use it for a call. */
export const connectionRefreshLeeway = Duration.minutes(1)

/** How long one replica has a connection's refresh to itself; longer than the refresh can take. */
export const connectionRefreshLock = Duration.seconds(30)

/** Who finds a connection being refreshed looks for the new token, for as long as the refresh can take. */
export const connectionRefreshWaiting = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 300 }))

/** For how long a request with an `Idempotency-Key` gets its first answer again. */
export const replayLifetime = Duration.hours(24)

/** After which silence of who runs such a request its twin may run it: its process died. */
export const replayLease = Duration.seconds(60)

/** How often who runs such a request says that it is alive, and after how long it is stopped. */
export const replayHeartbeat = Schedule.spaced("20 seconds").pipe(Schedule.upTo({ duration: "10 minutes" }))

/** The answer to such a request is kept trying for about a second: its client waits meanwhile. */
export const replayRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** When a client whose request still runs should ask again. */
export const replayPollInterval = Duration.seconds(1)

/** How often kept answers whose time is over are removed. */
export const replaySweeping = Schedule.spaced("10 minutes")

/** How old the note of an API key's last use may become before it is written again. */
export const apiKeyUseInterval = Duration.minutes(1)

/**
 * How long a replica trusts what it has read of an API key; so soon is a revocation effective that the bus has lost. An
 * unknown key is refused a little longer without looking again: nobody waits for it to become one.
 */
export const apiKeyCaching = Duration.seconds(1)
export const unknownApiKeyCaching = Duration.seconds(3)

/** How long a replica trusts what it has read of a webhook that a delivery came for. */
export const webhookCaching = Duration.seconds(1)

/** Transactions of different tenants in which a replica takes deliveries in at once, and deliveries in one at most. */
export const acceptanceTransactions = 8
export const deliveriesTogether = 32

/** How long a delivery waits to be written: a transaction that hangs holds up those of its tenant, and not for ever. */
export const acceptanceTimeout = Duration.seconds(10)

/** How long a replica counts limits by itself after Redis did not, before it asks again. */
export const limiterRetryAfter = Duration.seconds(1)

/** How long tokens that were taken ahead may be used. */
export const limiterBatchLifetime = Duration.seconds(1)

/** Tokens that a provider just gave are kept trying to be stored for some seconds: the ones before them are void. */
export const connectionStoreRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 6 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** Over which time a limit of so many requests is meant, and the number of wrong credentials. */
export const rateLimitWindow = Duration.minutes(1)
export const wrongCredentialWindow = Duration.minutes(5)

/**
 * Different wrong credentials from one address, and uses of the same one, before no more are tried. The second is
 * larger: whoever repeats one credential guesses nothing, and may be a program that has not heard of its revocation.
 */
export const wrongCredentialsOfAddress = 50
export const wrongUsesOfCredential = 200

/** How long the nth lockout lasts, and until when it is remembered that there was one. */
export const lockoutTime = (times: number) =>
  Duration.min(Duration.hours(1), Duration.times(Duration.minutes(1), 2 ** (Math.min(times, 10) - 1)))
export const lockoutMemory = Duration.hours(6)

/** Requests to third-party authorization servers at once in one program. */
export const oauthConcurrency = 16

/** How long AWS Secrets Manager has for one answer; the program does not start without the installation's key. */
export const secretsManagerTimeout = Duration.seconds(5)

/** AWS is asked a few times within seconds before the start is given up. */
export const secretsManagerRetry = Schedule.exponential("300 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How long the HTTP API works on one request: longer than any call of a tool, which tells itself when it was too long. */
export const apiRequestTimeout = Duration.sum(toolCallTimeout, Duration.seconds(5))

/** How far the time that a sender of webhooks signed may be from ours, before or after: what Slack and GitLab ask for. */
export const signatureAge = Duration.minutes(5)

/** How often a feed of events reads by itself, where the bus tells it nothing. */
export const eventFeedPolling = Duration.seconds(5)

/** How long a feed waits, the nth time in a row, for a transaction that keeps younger changes from being shown. */
export const eventFeedHeldBack = (times: number) =>
  Duration.min(eventFeedPolling, Duration.times(Duration.millis(50), 2 ** Math.min(times, 10)))

/** A feed outlives about a minute without a database; then it ends, and its client comes back with its cursor. */
export const eventFeedRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 15 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How often the credential of an open feed is checked again. */
export const eventFeedSweep = Schedule.spaced("20 seconds")

/** How long clients that lost a feed should wait before they come back. */
export const eventFeedReconnectDelay = Duration.seconds(1)

/** After which silence of its client an RPC connection is cut; `effect/rpc` sends a sign of life every five seconds. */
export const rpcSilence = Duration.minutes(1)

/** How long an RPC connection has to answer what it was asked when the server stops; well under `drainTimeout`. */
export const rpcDrain = Duration.seconds(2)

/** How often what is old is removed and months are made ahead. */
export const retentionUpkeep = Schedule.spaced("1 hour")

/** For how long it is known which jobs took effect; the queue gives none again after minutes. */
export const idempotencyLifetime = Duration.days(30)

/** How long an expired API key stays listed; it is refused from its expiry on. The database's policy says the same. */
export const expiredKeyLifetime = Duration.days(30)

/** How long the object store has for a payload; whoever sends it waits meanwhile. */
export const payloadStoreTimeout = Duration.seconds(20)

/** How old an object without a delivery is when it is removed: its delivery may be about to be accepted. */
export const payloadGrace = Duration.hours(1)

/** Objects that are removed at once. */
export const payloadRemovals = 8

/** For how long a webhook's secret verifies beside the one that replaced it, when nobody says otherwise, and at most. */
export const secretOverlap = Duration.hours(24)
export const longestSecretOverlap = Duration.days(30)

/** How long S3 has for one request with its body, and how often it is asked; all within what callers wait. */
export const s3Timeout = Duration.seconds(10)
export const s3ConnectTimeout = Duration.seconds(3)
export const s3Retry = Schedule.exponential("200 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 2 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)
