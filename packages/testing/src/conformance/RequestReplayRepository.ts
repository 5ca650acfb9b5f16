import { RequestReplayRepository } from "@devops-mcp/core/ports/RequestReplayRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { TenantId } from "@devops-mcp/domain/Ids"
import { assert, layer as suite } from "@effect/vitest"
import { DateTime, Effect, type Layer } from "effect"
import { freshId } from "../Fixtures.ts"

/** Sealed by nobody; a repository does not look into it. */
const sealedAnswer = SealedText.make(`dms1.${"0".repeat(16)}.${"a".repeat(54)}.${"b".repeat(16)}.${"c".repeat(22)}`)

const fence = () => freshId(TenantId)

/**
 * What `RequestReplayRepository` promises to those that stand on it. `tenant` makes one that may have rows; the times
 * are in the past of the wall clock, so that the database's own policy lets the sweep see what has expired.
 */
export const requestReplayRepositoryConformance = <R, E>(
  name: string,
  layer: Layer.Layer<R | RequestReplayRepository, E>,
  tenant: Effect.Effect<TenantId, unknown, R>
) => {
  const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
  const after = (seconds: number) => DateTime.add(now, { seconds })
  const request = (fingerprint: string, at = now) => ({
    fingerprint,
    now: at,
    leasedUntil: DateTime.add(at, { seconds: 60 }),
    expiresAt: DateTime.add(at, { hours: 24 })
  })

  suite(layer, { excludeTestServices: true, timeout: "60 seconds" })(`RequestReplayRepository: ${name}`, (it) => {
    const claimed = Effect.gen(function* () {
      const repository = yield* RequestReplayRepository
      const claim = { tenantId: yield* tenant, owner: "jwt:ada", key: "k", fence: fence() }
      assert.deepStrictEqual(yield* repository.claim(claim, request("f")), { _tag: "Claimed" })
      return { repository, claim }
    })

    it.effect("gives a claim to one of many that ask at once", () =>
      Effect.gen(function* () {
        const repository = yield* RequestReplayRepository
        const tenantId = yield* tenant
        const states = yield* Effect.forEach(
          Array.from({ length: 24 }, () => ({ tenantId, owner: "jwt:ada", key: "k", fence: fence() })),
          (claim) => repository.claim(claim, request("f")),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(
          states.filter(({ _tag }) => _tag === "Claimed"),
          1
        )
        assert.lengthOf(
          states.filter(({ _tag }) => _tag === "Running"),
          23
        )
      })
    )

    it.effect("keeps the answer of the request, for that request alone", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        assert.deepInclude(yield* repository.claim({ ...claim, fence: fence() }, request("g")), { _tag: "Other" })
        assert.isTrue(yield* repository.answer(claim, sealedAnswer))
        const twin = { ...claim, fence: fence() }
        assert.deepStrictEqual(yield* repository.claim(twin, request("f")), { _tag: "Answered", sealedAnswer })
        assert.deepStrictEqual(yield* repository.claim(twin, request("g")), { _tag: "Other" })
        assert.isFalse(yield* repository.answer(claim, undefined))
      })
    )

    it.effect("tells of an answer that was not kept", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        yield* repository.answer(claim, undefined)
        assert.deepStrictEqual(yield* repository.claim(claim, request("f")), {
          _tag: "Answered",
          sealedAnswer: undefined
        })
      })
    )

    it.effect("keeps the keys of others apart: of another actor, of another tenant", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        for (const other of [
          { ...claim, owner: "jwt:eve" },
          { ...claim, tenantId: yield* tenant }
        ]) {
          assert.deepStrictEqual(yield* repository.claim({ ...other, fence: fence() }, request("g")), {
            _tag: "Claimed"
          })
        }
      })
    )

    it.effect("frees a key that was released, and not one that somebody else has meanwhile", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        yield* repository.release({ ...claim, fence: fence() })
        assert.deepInclude(yield* repository.claim({ ...claim, fence: fence() }, request("f")), { _tag: "Running" })
        yield* repository.release(claim)
        assert.deepStrictEqual(yield* repository.claim({ ...claim, fence: fence() }, request("g")), { _tag: "Claimed" })
      })
    )

    it.effect("gives a lease that has run out to who asks the same; who lost it has no say any more", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        assert.isTrue(yield* repository.extend(claim, after(90)))
        const twin = { ...claim, fence: fence() }
        assert.deepStrictEqual(yield* repository.claim(twin, request("f", after(89))), {
          _tag: "Running",
          leasedUntil: after(90)
        })
        assert.deepStrictEqual(yield* repository.claim(twin, request("g", after(90))), { _tag: "Other" })
        assert.deepStrictEqual(yield* repository.claim(twin, request("f", after(90))), { _tag: "Claimed" })
        assert.isFalse(yield* repository.extend(claim, after(500)))
        assert.isFalse(yield* repository.answer(claim, sealedAnswer))
        yield* repository.release(claim)
        assert.isTrue(yield* repository.answer(twin, sealedAnswer))
      })
    )

    it.effect("forgets what has expired, swept or not", () =>
      Effect.gen(function* () {
        const { claim, repository } = yield* claimed
        yield* repository.answer(claim, sealedAnswer)
        const nextDay = DateTime.add(now, { hours: 24 })
        assert.deepStrictEqual(yield* repository.claim({ ...claim, fence: fence() }, request("g", nextDay)), {
          _tag: "Claimed"
        })
        const { claim: kept } = yield* claimed
        yield* repository.sweep(nextDay)
        assert.deepStrictEqual(yield* repository.claim(kept, request("g")), { _tag: "Claimed" })
        assert.deepInclude(yield* repository.claim(claim, request("g", nextDay)), { _tag: "Running" })
      })
    )
  })
}
