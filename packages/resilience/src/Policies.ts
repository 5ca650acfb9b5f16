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

/** How often a job is tried before it becomes a dead letter. */
export const jobAttempts = 8

/** Between the attempts of a job: 1 s, 2 s, 4 s … up to a minute, so the last one comes some two minutes after the first. */
export const jobRetry = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(
  Schedule.jittered
)

/** How long a program may take to finish what it is doing when it is asked to stop. */
export const drainTimeout = Duration.seconds(8)

/** How long audit rows are collected after the last batch was written, so that a batch has many. */
export const auditLinger = Duration.millis(50)

/** Audit rows are kept trying for some ten seconds: a database restart must not lose them. */
export const auditRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 7 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

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

/** A worker whose queue does not answer asks again, less and less often, for as long as it runs. */
export const queueRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/** How often a worker publishes what waits in its queue. */
export const queueSampling = Schedule.spaced("5 seconds")

/** How often the demo looks whether its events are processed, and how long it may take in all. */
export const demoPolling = Schedule.spaced("200 millis")
export const demoTimeout = Duration.seconds(60)

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
