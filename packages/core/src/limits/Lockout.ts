import { Unauthenticated } from "@devops-mcp/domain/Errors"
import {
  lockoutMemory,
  lockoutTime,
  wrongCredentialsOfAddress,
  wrongCredentialWindow,
  wrongUsesOfCredential
} from "@devops-mcp/resilience/Policies"
import { Effect, Hash, Redacted, Schema } from "effect"
import { Digest } from "effect/crypto"
import { Audit } from "../audit/Audit.ts"
import { Limiter } from "../ports/Limiter.ts"
import { type RateLimited, refuse } from "./RateLimited.ts"

/** Credentials whose last use was good. */
const capacity = 100_000

const isUnauthenticated = Schema.is(Unauthenticated)

const encoder = new TextEncoder()

const bytesOf = (text: string) => encoder.encode(text)

/**
 * Keeps who guesses from guessing on: after too many different wrong credentials from one address it may try no other
 * ones for a while, longer each time, and after too many uses of one wrong credential that one is not looked up at all.
 * Credentials that have worked on this replica go on to work from a locked address, so that nobody shuts out those
 * who share theirs. A good one does not reset its address: one valid key would buy any number of guesses.
 */
export const makeLockout = Effect.gen(function* () {
  const limiter = yield* Limiter
  const audit = yield* Audit
  const digests = yield* Digest.Digest
  // By a short hash of theirs: who only seems to be known is still authenticated.
  const good = new Set<number>()

  const lockOf = (subject: string) => `lock:${subject}`

  const refuseLocked = Effect.fnUntraced(function* (subject: string) {
    const { leftAfter, total } = yield* limiter.count(lockOf(subject))
    if (total === 0) return
    yield* audit.refused({ reason: "locked_out" })
    return yield* refuse({ limit: "login", retryAfter: leftAfter })
  })

  /** One more wrong credential of this subject; true for the first one in a while. */
  const blame = Effect.fnUntraced(function* (subject: string, limit: number) {
    const bucket = { key: `wrong:${subject}`, limit, window: wrongCredentialWindow, precision: "exact" } as const
    const { remaining } = yield* limiter.take(bucket)
    if (remaining === 0 && (yield* limiter.count(lockOf(subject))).total === 0) {
      const { total } = yield* limiter.add(`lockouts:${subject}`, lockoutMemory)
      yield* limiter.add(lockOf(subject), lockoutTime(total))
      yield* Effect.logWarning("Too many wrong credentials").pipe(Effect.annotateLogs({ lockout: total }))
    }
    return remaining === limit - 1
  })

  const login = <A, E>(
    address: string,
    credential: Redacted.Redacted,
    authenticate: Effect.Effect<A, E>
  ): Effect.Effect<A, E | RateLimited> => {
    const text = Redacted.value(credential)
    const mark = Hash.string(text)

    const subjects = Effect.map(Effect.orDie(digests.digestHex(Digest.sha256, bytesOf(text))), (digest) => ({
      ofAddress: `address:${address}`,
      ofCredential: `credential:${digest}`
    }))

    const wrong = (error: E) =>
      Effect.gen(function* () {
        if (!isUnauthenticated(error)) return
        good.delete(mark)
        const { ofAddress, ofCredential } = yield* subjects
        if (yield* blame(ofCredential, wrongUsesOfCredential)) yield* blame(ofAddress, wrongCredentialsOfAddress)
      })

    if (good.has(mark)) return Effect.tapError(authenticate, wrong)
    return Effect.gen(function* () {
      const { ofAddress, ofCredential } = yield* subjects
      yield* Effect.all([refuseLocked(ofAddress), refuseLocked(ofCredential)], { concurrency: 2, discard: true })
      const authenticated = yield* Effect.tapError(authenticate, wrong)
      if (good.size >= capacity) good.clear()
      good.add(mark)
      return authenticated
    })
  }

  /** Authenticates unless the address or the credential is locked out. */
  return <A, E>(address: string, credential: Redacted.Redacted, authenticate: Effect.Effect<A, E>) =>
    Effect.suspend(() => login(address, credential, authenticate))
})
