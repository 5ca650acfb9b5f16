import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { replayHeartbeat, replayLease, replayLifetime, replayRetry } from "@devops-mcp/resilience/Policies"
import { Context, DateTime, Effect, Exit, Fiber, Layer, Option, Redacted, Schema } from "effect"
import { Mac, SecureRandom } from "effect/crypto"
import { Hex } from "effect/encoding"
import { SigningKey } from "../access/SigningKey.ts"
import { canonicalJson } from "../CanonicalJson.ts"
import { type ReplayClaim, RequestReplayRepository } from "../ports/RequestReplayRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { Secrets } from "../secrets/Secrets.ts"

/** Bytes of the longest answer that is kept, as JSON; a sealed text has room for a little more. */
export const longestKeptAnswer = 128 * 1024

/** The key was given to another request. */
export class KeyReused extends Schema.TaggedError<KeyReused>()(
  "@devops-mcp/core/idempotency/RequestReplays/KeyReused",
  {}
) {
  override get message() {
    return "This Idempotency-Key was used for another request: another path or another body. Use a new one."
  }
}

/** The same request with the same key still runs. */
export class StillRunning extends Schema.TaggedError<StillRunning>()(
  "@devops-mcp/core/idempotency/RequestReplays/StillRunning",
  {}
) {
  override get message() {
    return "The request with this Idempotency-Key is still running: ask again for its answer"
  }
}

/** The request was carried out, so it is not run again; its answer was too large to be kept, or cannot be read. */
export class AnswerNotKept extends Schema.TaggedError<AnswerNotKept>()(
  "@devops-mcp/core/idempotency/RequestReplays/AnswerNotKept",
  {}
) {
  override get message() {
    return "The request with this Idempotency-Key was carried out, but its answer could not be kept: read what it made"
  }
}

/** An answer as it is given again. */
export const KeptAnswer = Schema.Struct({
  status: Schema.Int,
  headers: Schema.Record(Schema.String, Schema.String),
  body: Schema.String
})
export type KeptAnswer = typeof KeptAnswer.Type

/** A request under the key that its caller has chosen. `body` is its text: JSON in any order of members is the same. */
export interface KeyedRequest {
  readonly key: string
  readonly method: string
  readonly path: string
  readonly body: string
}

/** What became of a request: its own result, or the answer to the same request before. */
export type Outcome<A> =
  | { readonly _tag: "Executed"; readonly value: A }
  | { readonly _tag: "Replayed"; readonly answer: KeptAnswer }

const encodeAnswer = Schema.encodeEffect(Schema.fromJsonString(KeptAnswer))
const decodeAnswer = Schema.decodeEffect(Schema.fromJsonString(KeptAnswer))
const decodeJson = Schema.decodeOption(Schema.fromJsonString(Schema.Unknown))

const canonicalBody = (body: string) => Option.match(decodeJson(body), { onNone: () => body, onSome: canonicalJson })

/** What answers are sealed for. */
const purpose = "request_replays.sealed_answer"

const expire = (duration: typeof replayLease) => Effect.map(DateTime.now, DateTime.addDuration(duration))

/**
 * Carries each request of a caller out once for its key. It goes on when the client that sent it is gone, for that is
 * who comes back for the answer. After a crash of the process it may run again, once its lease is over: the claim and
 * the answer commit apart from the effect, which may be outside of our database.
 */
export class RequestReplays extends Context.Service<
  RequestReplays,
  {
    /** `keep` says what is to be given again; without it, as after a failure, the request may be carried out again. */
    readonly run: <A, E, R>(
      principal: Principal,
      request: KeyedRequest,
      execute: Effect.Effect<A, E, R>,
      keep: (value: A) => Effect.Effect<Option.Option<KeptAnswer>>
    ) => Effect.Effect<Outcome<A>, E | KeyReused | StillRunning | AnswerNotKept | StoreError, R>
    readonly sweep: Effect.Effect<void, StoreError>
  }
>()("@devops-mcp/core/idempotency/RequestReplays") {
  static readonly layer = Layer.effect(
    RequestReplays,
    Effect.gen(function* () {
      const repository = yield* RequestReplayRepository
      const secrets = yield* Secrets
      const random = yield* SecureRandom.SecureRandom
      const mac = yield* Mac.Mac
      const scope = yield* Effect.scope
      const secret = yield* (yield* SigningKey).derive("request-replays")
      const key = yield* Effect.orDie(Mac.key(Mac.hmacSha256, Redacted.value(secret)))

      /** Keyed, because bodies hold secrets that a plain hash would let others guess. */
      const fingerprintOf = ({ body, method, path }: KeyedRequest) =>
        mac
          .sign(key, new TextEncoder().encode(canonicalJson([method, path, canonicalBody(body)])))
          .pipe(Effect.orDie, Effect.map(Hex.encode))

      const opened = Effect.fnUntraced(function* (tenantId: TenantId, sealed: string | undefined) {
        if (sealed === undefined) return yield* new AnswerNotKept()
        const text = yield* secrets.open(tenantId, purpose, sealed).pipe(
          Effect.tapError((error) => Effect.logWarning(error.message)),
          Effect.mapError(() => new AnswerNotKept())
        )
        return yield* Effect.orDie(decodeAnswer(Redacted.value(text)))
      })

      const sealed = Effect.fnUntraced(function* (tenantId: TenantId, answer: KeptAnswer) {
        const text = yield* Effect.orDie(encodeAnswer(answer))
        if (new TextEncoder().encode(text).length > longestKeptAnswer) return undefined
        return yield* secrets.seal(tenantId, purpose, Redacted.make(text))
      })

      const settle = Effect.fnUntraced(function* (claim: ReplayClaim, answer: Option.Option<KeptAnswer>) {
        const write = Option.isNone(answer)
          ? repository.release(claim)
          : repository.answer(claim, yield* sealed(claim.tenantId, answer.value))
        yield* write.pipe(
          Effect.retry(replayRetry),
          // The lease then runs out by itself, and the answer goes to the client that waits for it.
          Effect.catch((error) => Effect.logWarning("The outcome of a request could not be kept", error))
        )
      })

      const beat = (claim: ReplayClaim) =>
        expire(replayLease).pipe(
          Effect.flatMap((leasedUntil) => repository.extend(claim, leasedUntil)),
          Effect.catch((error) => Effect.logWarning("A running request could not extend its lease", error))
        )

      const run = <A, E, R>(
        principal: Principal,
        request: KeyedRequest,
        execute: Effect.Effect<A, E, R>,
        keep: (value: A) => Effect.Effect<Option.Option<KeptAnswer>>
      ): Effect.Effect<Outcome<A>, E | KeyReused | StillRunning | AnswerNotKept | StoreError, R> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const { actor, credential, tenantId } = principal
            const claim = { tenantId, owner: `${credential}:${actor}`, key: request.key, fence: yield* random.uuidV4() }
            const state = yield* repository.claim(claim, {
              fingerprint: yield* fingerprintOf(request),
              now: yield* DateTime.now,
              leasedUntil: yield* expire(replayLease),
              expiresAt: yield* expire(replayLifetime)
            })
            switch (state._tag) {
              case "Other":
                return yield* new KeyReused()
              case "Running":
                return yield* new StillRunning()
              case "Answered":
                return { _tag: "Replayed", answer: yield* opened(tenantId, state.sealedAnswer) }
              case "Claimed": {
                const beats = Effect.andThen(Effect.schedule(beat(claim), replayHeartbeat), Effect.interrupt)
                const running = Effect.onExit(Effect.raceFirst(execute, beats), (exit) =>
                  Effect.flatMap(Exit.isSuccess(exit) ? keep(exit.value) : Effect.succeedNone, (answer) =>
                    settle(claim, answer)
                  )
                )
                const fiber = yield* Effect.forkIn(running, scope)
                return { _tag: "Executed", value: yield* restore(Fiber.join(fiber)) }
              }
            }
          })
        )

      const sweep = Effect.gen(function* () {
        const removed = yield* repository.sweep(yield* DateTime.now)
        if (removed > 0) yield* Effect.logDebug("Removed answers whose time is over", { removed })
      }).pipe(Effect.withSpan("RequestReplays.sweep"))

      return RequestReplays.of({ run, sweep })
    })
  )
}
