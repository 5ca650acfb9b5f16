import { type WebhookAdapter, WebhookAdapters, type WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { EventFacts } from "@devops-mcp/domain/Event"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { assert, layer as suite } from "@effect/vitest"
import { DateTime, Effect, type Layer, Redacted, Schema } from "effect"

const secret = Redacted.make("the secret of this webhook")
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

/**
 * What every sender of webhooks must do: accept exactly what was signed, name its deliveries, and make bounded facts
 * of any payload whatever. `sign` gives the headers the sender would send; `identity` those that name a delivery.
 */
export const webhookAdapterConformance = (
  name: string,
  layer: Layer.Layer<WebhookAdapters>,
  options: {
    readonly source: WebhookSource
    readonly eventType: string
    readonly identity: Readonly<Record<string, string>>
    readonly sign: (secret: Redacted.Redacted, body: string) => Effect.Effect<WebhookHeaders>
  }
) => {
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
        if (changed === body) return
        const error = yield* Effect.flip((yield* adapter).verify({ secret, headers, body: changed }))
        assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
      })
    )

    it.effect("refuses another secret, an empty body and a body without signature", () =>
      Effect.gen(function* () {
        const { verify } = yield* adapter
        const body = "{}"
        const headers = yield* options.sign(secret, body)
        const refused = [
          { secret: Redacted.make("another secret"), headers, body },
          { secret: Redacted.make(""), headers, body },
          { secret, headers, body: "" },
          { secret, headers: {}, body }
        ]
        for (const attempt of refused) {
          const error = yield* Effect.flip(verify(attempt))
          assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
          assert.notInclude(error.message, Redacted.value(secret))
        }
      })
    )

    it.effect("names a delivery, and refuses one with a header missing, empty or too long", () =>
      Effect.gen(function* () {
        const { identify } = yield* adapter
        const { externalId, eventType } = yield* identify(options.identity, {})
        assert.isNotEmpty(externalId)
        assert.strictEqual(eventType, options.eventType)
        for (const header of Object.keys(options.identity)) {
          for (const value of [undefined, "", "x".repeat(10_000), "a\nb"]) {
            const error = yield* Effect.flip(identify({ ...options.identity, [header]: value }, {}))
            assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/InvalidInput")
            assert.strictEqual(error.pointer, `/headers/${header}`)
          }
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
