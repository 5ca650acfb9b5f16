import { Job } from "@devops-mcp/contract/Jobs"
import { type JobAttemptsOptions, makeJobAttempts } from "@devops-mcp/core/jobs/JobAttempts"
import { JobEnvelope } from "@devops-mcp/core/jobs/JobEnvelope"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { DocumentId, TenantId } from "@devops-mcp/domain/Ids"
import { longestOutage } from "@devops-mcp/resilience/Outages"
import { jobAttempts, longestJobDelay, sqsBackstop } from "@devops-mcp/resilience/JobPolicies"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"

const job = Job.cases.IngestDocument.make({ tenantId: freshId(TenantId), documentId: freshId(DocumentId) })
const encode = Schema.encodeSync(Schema.toCodecJson(JobEnvelope))

const outage = (retryAfter = 5_000) =>
  new EmbedderError({ operation: "embed", retryable: true, outage: true, retryAfter, cause: "The circuit is open" })

const bounds = { minimum: Duration.seconds(5), maximum: Duration.seconds(20) }

const failure = new EmbedderError({ operation: "embed", retryable: true, cause: "reset" })

/** Attempts at a job that is offered now, and the errors of the dead letters. */
const setup = Effect.fnUntraced(function* (options: JobAttemptsOptions = {}) {
  const letters: Array<string> = []
  const shown: Array<string> = []
  const Letters = Layer.mock(DeadLetterRepository, {
    put: (_tenant, { error }) => Effect.sync(() => void letters.push(error))
  })
  const run = yield* makeJobAttempts(options).pipe(Effect.provide([Letters, NodeCrypto.layer]))
  const offeredAt = yield* Clock.currentTimeMillis
  const attempt = (error: EmbedderError, number = 1, envelope: JobEnvelope = { job, offeredAt }) =>
    run(
      { queue: "documents", queuedId: "document:1", attempt: number, content: encode(envelope) },
      { run: () => Effect.fail(error), givenUp: () => Effect.sync(() => void shown.push("given up")) }
    )
  return { attempt, letters, shown }
})

describe("a job in an outage of what it needs", () => {
  it.effect("is put off for as long as the outage lasts, in its last attempt too, and does not become a letter", () =>
    Effect.gen(function* () {
      const { attempt, letters, shown } = yield* setup()
      let puttings = 0
      let age = Duration.zero
      while (Duration.isLessThan(age, longestOutage)) {
        const verdict = yield* attempt(outage(), jobAttempts)
        if (verdict._tag !== "PutOff") return assert.fail(verdict._tag)
        assert.include(verdict.error, "The circuit is open")
        assert.isTrue(Duration.between(verdict.delay, bounds))
        yield* TestClock.adjust(verdict.delay)
        age = Duration.sum(age, verdict.delay)
        puttings++
      }
      assert.deepStrictEqual([letters, shown], [[], []])
      // Amazon SQS gives a message so often before it moves it away.
      assert.isBelow(puttings + jobAttempts, sqsBackstop)
    })
  )

  it.effect("waits longer the older it is, and not less than it is asked to, within a limit", () =>
    Effect.gen(function* () {
      const { attempt } = yield* setup()
      const delayOf = Effect.fnUntraced(function* (retryAfter: number) {
        const verdict = yield* attempt(outage(retryAfter))
        return verdict._tag === "PutOff" ? Duration.toSeconds(verdict.delay) : verdict._tag
      })
      assert.strictEqual(yield* delayOf(0), 5)
      assert.strictEqual(yield* delayOf(45_000), 45)
      assert.strictEqual(yield* delayOf(86_400_000), Duration.toSeconds(longestJobDelay))
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* delayOf(0), 10)
      yield* TestClock.adjust("3 hours")
      assert.strictEqual(yield* delayOf(0), 20)
    })
  )

  it.effect("uses up its attempts after the longest outage, and when nobody knows how old it is", () =>
    Effect.gen(function* () {
      const { attempt, letters } = yield* setup()
      assert.strictEqual(
        (yield* attempt(outage(), 1, { job, offeredAt: -Duration.toMillis(longestOutage) }))._tag,
        "Retry"
      )
      yield* TestClock.adjust(longestOutage)
      assert.strictEqual((yield* attempt(outage(), 1))._tag, "Retry")
      assert.strictEqual((yield* attempt(outage(), 1, { job }))._tag, "Retry")
      assert.deepStrictEqual(letters, [])
      assert.strictEqual((yield* attempt(outage(), jobAttempts))._tag, "Done")
      assert.lengthOf(letters, 1)
      assert.include(letters[0], "The circuit is open")
    })
  )

  it.effect("other failures count as ever", () =>
    Effect.gen(function* () {
      const { attempt, letters, shown } = yield* setup({ attempts: 2 })
      assert.strictEqual((yield* attempt(failure, 1))._tag, "Retry")
      assert.deepStrictEqual(shown, [])
      assert.strictEqual((yield* attempt(failure, 2))._tag, "Done")
      assert.deepStrictEqual([letters.length, shown], [1, ["given up"]])
    })
  )
})
