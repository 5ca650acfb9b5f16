import { type WebhookAdapter, WebhookAdapters, type WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { EventFacts } from "@devops-mcp/domain/Event"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { assert, layer as suite } from "@effect/vitest"
import { signatureAge } from "@devops-mcp/resilience/Policies"
import { DateTime, Duration, Effect, type Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Sign } from "../WebhookSigners.ts"

const usualSecret = Redacted.make("the secret of this webhook")
const now = Date.UTC(2026, 0, 2, 3, 4, 5)
const receivedAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const decodeFacts = Schema.decodeUnknownEffect(EventFacts)
const encodeFacts = Schema.encodeEffect(EventFacts)

const Text = Schema.String.check(Schema.isBetweenLength(1, 300))
/** Where to change the body, and by how much: never by nothing. */
const Change = Schema.Struct({
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })),
  by: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 255 }))
})

const withByteChanged = (body: string, { at, by }: typeof Change.Type) => {
  const bytes = new TextEncoder().encode(body)
  const index = at % bytes.length
  bytes[index] = (bytes[index] ?? 0) ^ by
  return new TextDecoder().decode(bytes)
}

/** The headers with one bit of one character of one value changed, for every one there is. */
const damaged = (headers: WebhookHeaders) =>
  Object.entries(headers).flatMap(([name, value = ""]) =>
    Array.from(value, (character, at) => {
      const flipped = String.fromCharCode((character.codePointAt(0) ?? 0) ^ (1 << (at % 7)))
      return { ...headers, [name]: value.slice(0, at) + flipped + value.slice(at + 1) }
    })
  )

export interface WebhookSender {
  readonly source: WebhookSource
  readonly eventType: string
  /** The headers that name a delivery. */
  readonly identity: Readonly<Record<string, string>>
  /** What the sender posts; of any kind when headers tell all. */
  readonly payload?: Schema.Json
  /** Whether a delivery without the headers of `identity` is named by its body. */
  readonly namedByBody?: boolean
  /** The headers the sender would send. */
  readonly sign: Sign
  /** When the sender's secrets have a form of their own: two of them. */
  readonly secrets?: readonly [Redacted.Redacted, Redacted.Redacted]
  /** False when the sender proves itself alone, not what it says. */
  readonly signsBody?: boolean
  /** Whether the sender signs the time. */
  readonly signsTime?: boolean
  /** The headers of one delivery with the signatures of two secrets, for senders that can have two. */
  readonly both?: (one: WebhookHeaders, other: WebhookHeaders) => WebhookHeaders
}

/**
 * What every sender of webhooks must do: accept exactly what was signed, name its deliveries, and make bounded facts
 * of any payload whatever.
 */
export const webhookAdapterConformance = (
  name: string,
  layer: Layer.Layer<WebhookAdapters>,
  options: WebhookSender
) => {
  const [secret, otherSecret] = options.secrets ?? [usualSecret, Redacted.make("the other secret of this webhook")]
  const signsBody = options.signsBody ?? true
  const payload: Schema.Json = options.payload ?? {}

  const adapter = Effect.gen(function* () {
    const found = (yield* WebhookAdapters).get(options.source)
    assert.isDefined(found)
    return found
  })

  const factsOf = Effect.fnUntraced(function* (found: WebhookAdapter, eventType: string, payload: Schema.Json) {
    const facts = found.normalise({ eventType, payload, receivedAt })
    assert.match(facts.title, /^[^\p{Cc}]{1,200}$/u)
    assert.match(facts.summary, /^[^\0]{1,4000}$/)
    assert.isTrue((facts.title + facts.summary).isWellFormed())
    assert.isAtMost(facts.type.length, 100)
    assert.isTrue(DateTime.isLessThanOrEqualTo(facts.occurredAt, DateTime.add(receivedAt, { hours: 1 })))
    assert.deepStrictEqual(yield* decodeFacts(yield* encodeFacts(facts)), facts)
    return facts
  })

  const assertRefused = Effect.fnUntraced(function* (attempt: Parameters<WebhookAdapter["verify"]>[0], tag: string) {
    const error = yield* Effect.flip((yield* adapter).verify(attempt))
    assert.strictEqual(error._tag, `@devops-mcp/domain/Errors/${tag}`)
    for (const plain of [secret, otherSecret]) assert.notInclude(error.message, Redacted.value(plain))
  })

  suite(layer)(`WebhookAdapter: ${name}`, (it) => {
    it.effect("is found under its own source", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* adapter).source, options.source)
      })
    )

    it.effect.prop("accepts what was signed", [Text], ([text]) =>
      Effect.gen(function* () {
        const body = text.toWellFormed()
        const headers = yield* options.sign(secret, body)
        yield* (yield* adapter).verify({ secret, headers, body })
      })
    )

    it.effect.prop("refuses any body with one byte changed", [Text, Change], ([text, change]) =>
      Effect.gen(function* () {
        const body = text.toWellFormed()
        const headers = yield* options.sign(secret, body)
        const changed = withByteChanged(body, change)
        // A replacement character may be decoded from other bytes too; then the text is the same.
        if (changed === body || !signsBody) return
        yield* assertRefused({ secret, headers, body: changed }, "Unauthenticated")
      })
    )

    it.effect("refuses a signature with one bit changed, in any place", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now)
        const body = '{"a":1}'
        const all = damaged(yield* options.sign(secret, body))
        assert.isAbove(all.length, 20)
        for (const headers of all) yield* assertRefused({ secret, headers, body }, "Unauthenticated")
      })
    )

    it.effect("refuses a delivery without one of the headers of its signature, or with an empty one", () =>
      Effect.gen(function* () {
        const headers = yield* options.sign(secret, "{}")
        for (const name of Object.keys(headers)) {
          for (const value of [undefined, "", "x".repeat(10_000)]) {
            yield* assertRefused({ secret, headers: { ...headers, [name]: value }, body: "{}" }, "Unauthenticated")
          }
        }
      })
    )

    if (options.signsTime === true) {
      it.effect("refuses what was signed too long ago or too far ahead, and says so only to who has the secret", () =>
        Effect.gen(function* () {
          const { verify } = yield* adapter
          const limit = Duration.toMillis(signatureAge)
          yield* TestClock.setTime(now)
          const signed = { secret, headers: yield* options.sign(secret, "{}"), body: "{}" }
          for (const moment of [now - limit, now, now + limit]) {
            yield* TestClock.setTime(moment)
            yield* verify(signed)
          }
          for (const moment of [0, now - limit - 1000, now + limit + 1000]) {
            yield* TestClock.setTime(moment)
            yield* assertRefused(signed, "StaleSignature")
            yield* assertRefused({ ...signed, secret: otherSecret }, "Unauthenticated")
          }
        })
      )
    }

    const { both } = options
    if (both !== undefined) {
      it.effect("accepts one good signature among several", () =>
        Effect.gen(function* () {
          const { verify } = yield* adapter
          const [one, other] = [yield* options.sign(secret, "{}"), yield* options.sign(otherSecret, "{}")]
          for (const headers of [both(one, other), both(other, one)]) {
            yield* verify({ secret, headers, body: "{}" })
            yield* verify({ secret: otherSecret, headers, body: "{}" })
          }
          yield* assertRefused({ secret, headers: both(other, other), body: "{}" }, "Unauthenticated")
        })
      )
    }

    it.effect("refuses another secret, an empty body and a body without signature", () =>
      Effect.gen(function* () {
        const body = "{}"
        const headers = yield* options.sign(secret, body)
        yield* assertRefused({ secret: otherSecret, headers, body }, "Unauthenticated")
        yield* assertRefused({ secret: Redacted.make(""), headers, body }, "Unauthenticated")
        yield* assertRefused({ secret, headers: {}, body }, "Unauthenticated")
        if (signsBody) yield* assertRefused({ secret, headers, body: "" }, "Unauthenticated")
      })
    )

    it.effect("names a delivery, the same when it comes again", () =>
      Effect.gen(function* () {
        const { identify } = yield* adapter
        const first = yield* identify(options.identity, payload, "{}")
        assert.match(first.externalId, /^[\x21-\x7e]{1,200}$/)
        assert.strictEqual(first.eventType, options.eventType)
        assert.deepStrictEqual(yield* identify({ ...options.identity, "x-retry": "1" }, payload, "{}"), first)
      })
    )

    it.effect(
      "refuses a name that is empty or too long, and does without one only where the body can stand for it",
      () =>
        Effect.gen(function* () {
          const { identify } = yield* adapter
          for (const header of Object.keys(options.identity)) {
            const values = options.namedByBody === true ? ["", "x".repeat(10_000), "a\nb"] : [undefined, "", "a\nb"]
            for (const value of values) {
              const error = yield* Effect.flip(identify({ ...options.identity, [header]: value }, payload, "{}"))
              assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/InvalidInput")
              assert.strictEqual(error.pointer, `/headers/${header}`)
            }
          }
        })
    )

    if (options.namedByBody === true) {
      it.effect("names a delivery without a name by its body", () =>
        Effect.gen(function* () {
          const { identify } = yield* adapter
          const nameless = Object.fromEntries(Object.keys(options.identity).map((header) => [header, undefined]))
          const [one, same, other] = [
            yield* identify(nameless, {}, '{"a":1}'),
            yield* identify(nameless, {}, '{"a":1}'),
            yield* identify(nameless, {}, '{"a":2}')
          ]
          assert.match(one.externalId, /^sha256:[0-9a-f]{64}$/)
          assert.deepStrictEqual(same, one)
          assert.notStrictEqual(other.externalId, one.externalId)
        })
      )
    }

    it.effect.prop("gives every payload a bounded type and group", [Schema.Json, Schema.String], ([json, name]) =>
      Effect.gen(function* () {
        const { identify } = yield* adapter
        const project = { full_name: name, path_with_namespace: name, key: name, id: name }
        for (const payload of [json, { repository: project, project, team_id: name, event: { data: project } }]) {
          const { eventType, group } = yield* identify(options.identity, payload, "{}")
          assert.match(eventType, /^[^\p{Cc}]{1,100}$/u)
          if (group !== undefined) assert.match(group, /^[\x21-\x7e]{1,128}$/)
        }
      })
    )

    it.effect.prop("makes bounded facts of any payload of any type", [Schema.String, Schema.Json], ([type, payload]) =>
      Effect.gen(function* () {
        const found = yield* adapter
        yield* factsOf(found, type, payload)
        const facts = yield* factsOf(found, options.eventType, payload)
        assert.strictEqual(facts.type, options.eventType)
      })
    )

    it.effect("survives nesting, length and names taken from the language", () =>
      Effect.gen(function* () {
        const found = yield* adapter
        let nested: Schema.Json = "end"
        for (let depth = 0; depth < 20_000; depth++) nested = depth % 2 === 0 ? [nested] : { action: nested }
        const long = "<!-- eyJ-//x".repeat(100_000)
        for (const payload of [
          nested,
          long,
          { action: long, sender: { login: long } },
          { [long]: long },
          { ["__proto__"]: long }
        ]) {
          yield* factsOf(found, options.eventType, payload)
        }
        for (const type of ["constructor", "__proto__", "toString", ""]) yield* factsOf(found, type, { action: type })
      })
    )
  })
}
