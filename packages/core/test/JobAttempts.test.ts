import type { Job } from "@devops-mcp/contract/Jobs"
import { makeJobAttempts, type TakenJob } from "@devops-mcp/core/jobs/JobAttempts"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import type { GivenUp, JobHandler, JobMetadata } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type DeadLetter, longestError } from "@devops-mcp/domain/DeadLetter"
import { DeadLetterId, DeliveryId, TenantId } from "@devops-mcp/domain/Ids"
import { longestJobDelay } from "@devops-mcp/resilience/JobPolicies"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Context, DateTime, Duration, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"

type Refused = "nothing" | "all" | "tenants"

interface Kept {
  readonly tenantId: TenantId | undefined
  readonly letter: DeadLetter
}

/** What was kept, and how the store refuses: nothing of anyone, or nothing of tenants. */
class Store extends Context.Service<Store, { readonly kept: Array<Kept>; refuses: Refused }>()(
  "@devops-mcp/core/test/JobAttempts.test/Store"
) {
  static readonly layer = Layer.sync(Store, () => ({ kept: [], refuses: "nothing" as const }))
}

const LettersFake = Layer.unwrap(
  Effect.map(Store, (store) =>
    Layer.mock(DeadLetterRepository, {
      put: (tenantId, letter) =>
        Effect.suspend(() => {
          const isRefused = store.refuses === "all" || (store.refuses === "tenants" && tenantId !== undefined)
          if (!isRefused) return Effect.sync(() => void store.kept.push({ tenantId, letter }))
          return Effect.fail(new StoreError({ operation: "put", retryable: store.refuses === "all", cause: "refused" }))
        })
    })
  )
)

const TestLayer = LettersFake.pipe(
  Layer.provideMerge(Layer.mergeAll(Store.layer, NodeCrypto.layer, Layer.succeed(References.MinimumLogLevel, "None")))
)

const tenantId = freshId(TenantId)
const job: Job = { _tag: "IngestDelivery", tenantId, deliveryId: freshId(DeliveryId) }

const attempts = 3

/** One attempt at what a queue hands over, with what it leaves in an empty store. */
const attempt = Effect.fnUntraced(function* <E>(
  taken: Partial<TakenJob>,
  run: JobHandler<E>["run"],
  refuses: Refused = "nothing"
) {
  const store = yield* Store
  store.kept.length = 0
  store.refuses = refuses
  const shown: Array<Job | GivenUp> = []
  const runAttempt = yield* makeJobAttempts({ attempts })
  const verdict = yield* runAttempt(
    { queue: "deliveries", queuedId: "job-1", attempt: 1, content: { job }, ...taken },
    { run, givenUp: (given, why) => Effect.sync(() => void shown.push(given, why)) }
  )
  return { verdict, shown, kept: [...store.kept], letter: store.kept[0]?.letter }
})

const failing =
  (retryable: boolean, more: { readonly retryAfter?: number; readonly cause?: unknown } = {}) =>
  () =>
    Effect.fail(new EmbedderError({ operation: "embed", retryable, cause: "down", ...more }))

const noHandler = () => Effect.die("A job that cannot be read is not handled")

layer(TestLayer)("an attempt at a job", (it) => {
  it.effect("is done when its handler is, which is told the job's first id and which attempt it is", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const see = (seenJob: Job, metadata: JobMetadata) => Effect.sync(() => void seen.push(seenJob, metadata))
      const { kept, verdict } = yield* attempt({ queuedId: "job-1~2", attempt: 3 }, see)
      assert.deepStrictEqual(verdict, { _tag: "Done" })
      assert.deepStrictEqual(kept, [])
      assert.deepStrictEqual(seen, [job, { id: "job-1", attempt: 3 }])
      // As earlier versions wrote it, without an envelope.
      yield* attempt({ content: { ...job } }, see)
      assert.deepStrictEqual(seen.slice(2), [job, { id: "job-1", attempt: 1 }])
    })
  )

  it.effect("is to be repeated when it fails, after the last one it leaves a dead letter of the job's tenant", () =>
    Effect.gen(function* () {
      const first = yield* attempt({}, failing(true))
      assert.deepStrictEqual([first.kept, first.shown], [[], []])
      assert.strictEqual(first.verdict._tag, "Retry")
      yield* TestClock.setTime(DateTime.toEpochMillis(DateTime.makeUnsafe("2026-01-02T03:04:05Z")))
      const content = { job, group: "octo/shop" }
      const last = yield* attempt({ queuedId: "job-1~4", attempt: attempts, content }, failing(true))
      assert.deepStrictEqual([last.verdict, last.shown], [{ _tag: "Done" }, [job, "failed"]])
      assert.deepStrictEqual(last.kept, [
        {
          tenantId,
          letter: {
            id: last.letter?.id ?? freshId(DeadLetterId),
            queue: "deliveries",
            jobId: "job-1",
            type: "IngestDelivery",
            group: "octo/shop",
            error: "The embedding model could not embed the text: down",
            attempts,
            redrives: 4,
            payload: job,
            failedAt: DateTime.makeUnsafe("2026-01-02T03:04:05Z")
          }
        }
      ])
    })
  )

  it.effect("leaves a dead letter at once when the error says that another attempt is of no use", () =>
    Effect.gen(function* () {
      const { letter, shown, verdict } = yield* attempt({}, failing(false))
      assert.deepStrictEqual([verdict, shown], [{ _tag: "Done" }, [job, "failed"]])
      assert.deepInclude(letter, { attempts: 1, redrives: 0, jobId: "job-1" })
      const bug = yield* attempt({}, () => Effect.die(new Error("a bug")))
      assert.deepInclude(bug.verdict, { _tag: "Retry", error: "a bug" })
    })
  )

  it.effect("leaves its dead letter also when what it is about cannot be shown as failed", () =>
    Effect.gen(function* () {
      const store = yield* Store
      store.refuses = "nothing"
      const runAttempt = yield* makeJobAttempts({ attempts })
      for (const givenUp of [failing(false)(), Effect.die(new Error("a bug"))]) {
        store.kept.length = 0
        const verdict = yield* runAttempt(
          { queue: "deliveries", queuedId: "job-1", attempt: attempts, content: { job } },
          { run: failing(true), givenUp: () => givenUp }
        )
        assert.deepStrictEqual([verdict, store.kept.length], [{ _tag: "Done" }, 1])
      }
    })
  )

  it.effect("is not made when there was no answer to the last one, which leaves a dead letter that says so", () =>
    Effect.gen(function* () {
      const content = { job, group: "octo/shop" }
      const { kept, letter, shown, verdict } = yield* attempt({ attempt: attempts + 1, content }, noHandler)
      assert.deepStrictEqual([verdict, shown], [{ _tag: "Done" }, [job, "unanswered"]])
      assert.deepStrictEqual([kept.length, kept[0]?.tenantId], [1, tenantId])
      assert.deepInclude(letter, { attempts, group: "octo/shop", type: "IngestDelivery" })
      assert.include(letter?.error, `Its worker stopped without an answer in attempt ${attempts}, the last one`)
    })
  )

  it.effect("leaves the dead letter also when showing what it is about is what kills the workers", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      for (let number = attempts + 1; number <= attempts + 6; number++) {
        const { shown, verdict } = yield* attempt({ attempt: number }, noHandler)
        assert.deepStrictEqual(verdict, { _tag: "Done" })
        if (shown.length > 0) told.push(number)
      }
      assert.deepStrictEqual(told, [attempts + 1, attempts + 2, attempts + 3])
    })
  )

  it.effect("waits as long as the error asks for, within bounds", () =>
    Effect.gen(function* () {
      const retryAfter = Effect.fnUntraced(function* (asked?: number) {
        const { verdict } = yield* attempt({}, failing(true, asked === undefined ? {} : { retryAfter: asked }))
        return verdict._tag === "Retry" ? verdict.retryAfter : undefined
      })
      assert.deepStrictEqual(yield* retryAfter(2500), Duration.millis(2500))
      assert.deepStrictEqual(yield* retryAfter(Number.MAX_SAFE_INTEGER), longestJobDelay)
      assert.isUndefined(yield* retryAfter())
    })
  )

  it.effect("does not count when the handler was stopped", () =>
    Effect.gen(function* () {
      const { kept, verdict } = yield* attempt({ attempt: attempts }, () => Effect.interrupt)
      assert.deepStrictEqual([verdict, kept], [{ _tag: "GivenBack" }, []])
    })
  )

  it.effect("leaves what cannot be read to its owner, else to the first tenant, with what is known of it", () =>
    Effect.gen(function* () {
      const newer = { _tag: "FlyToTheMoon", tenantId, rocket: "Saturn" }
      for (const content of [newer, { job: newer, group: "g" }]) {
        const { kept, letter, verdict } = yield* attempt({ content }, noHandler)
        assert.deepStrictEqual(verdict, { _tag: "Done" })
        assert.deepStrictEqual([kept.length, kept[0]?.tenantId], [1, tenantId])
        assert.deepInclude(letter, { type: "FlyToTheMoon", attempts: 1 })
        assert.deepStrictEqual(letter?.payload, content)
      }
      for (const content of [
        "{ no JSON",
        null,
        [1],
        { _tag: "IngestDelivery" },
        { job: { tenantId: "x", _tag: "y" } }
      ]) {
        const { kept, letter, verdict } = yield* attempt({ content }, noHandler)
        assert.deepStrictEqual(verdict, { _tag: "Done" })
        assert.deepStrictEqual([kept.length, kept[0]?.tenantId], [1, undefined])
        assert.deepStrictEqual([letter?.type, letter?.payload], ["unknown", content])
        assert.isAbove(letter?.error.length ?? 0, 0)
      }
    })
  )

  it.effect("is repeated when the store does not keep its dead letter, so that no job is lost", () =>
    Effect.gen(function* () {
      const final = yield* attempt({ attempt: attempts }, failing(true), "all")
      assert.deepStrictEqual(final.kept, [])
      // That attempt does not count, or the next one would be taken for one after the last.
      assert.deepInclude(final.verdict, { _tag: "PutOff", error: "The embedding model could not embed the text: down" })
      const unread = yield* attempt({ content: "{" }, noHandler, "all")
      assert.strictEqual(unread.verdict._tag, "PutOff")
      const unanswered = yield* attempt({ attempt: attempts + 1 }, noHandler, "all")
      assert.strictEqual(unanswered.verdict._tag, "PutOff")
    })
  )

  it.effect("leaves the dead letter of a tenant that is gone to the first one", () =>
    Effect.gen(function* () {
      const { kept, letter, verdict } = yield* attempt({}, failing(false), "tenants")
      assert.deepStrictEqual(verdict, { _tag: "Done" })
      assert.deepStrictEqual(
        kept.map((one) => one.tenantId),
        [undefined]
      )
      assert.deepStrictEqual(letter?.payload, job)
    })
  )

  it.effect("says why in bounded text, without secrets and stacks", () =>
    Effect.gen(function* () {
      const secret = `dmk_${"s3cret".repeat(8)}`
      const root = new Error(`connect postgres://user:hunter2@db/x with ${secret}\0`)
      const cause = new Error("Bearer abcdefghijklmnop was refused", { cause: root })
      const { letter } = yield* attempt({}, failing(false, { cause }))
      const error = letter?.error ?? ""
      assert.match(
        error,
        /^The embedding model could not embed the text: Bearer <redacted> was refused: connect postgres:/
      )
      for (const hidden of [secret, "hunter2", "abcdefghijklmnop", "\0", "    at "]) assert.notInclude(error, hidden)
      const long = yield* attempt({}, failing(false, { cause: "x".repeat(100_000) }))
      assert.lengthOf(long.letter?.error ?? "", longestError)
      const verdict = (yield* attempt({}, failing(true, { cause }))).verdict
      assert.notInclude(verdict._tag === "Retry" ? verdict.error : secret, secret)
    })
  )
})
