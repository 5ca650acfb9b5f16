import { EventFacts } from "@devops-mcp/domain/Event"
import type { WebhookAdapter } from "@devops-mcp/core/ports/WebhookAdapter"
import { assert } from "@effect/vitest"
import { DateTime, Schema } from "effect"

const receivedAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const isFacts = Schema.is(Schema.toType(EventFacts))

/** Facts as every delivery must give them, whatever is in it. */
export const assertSound = (normalise: WebhookAdapter["normalise"], eventType: string, payload: Schema.Json) => {
  const facts = normalise({ eventType, payload, receivedAt })
  assert.isTrue(isFacts(facts))
  assert.match(facts.title, /^[^\p{Cc}]{1,200}$/u)
  assert.isNotEmpty(facts.summary)
  assert.isAtMost(facts.summary.length, 4000)
  assert.isTrue((facts.title + facts.summary).isWellFormed())
  assert.notMatch(facts.summary, /undefined|\[object|NaN/)
  if (facts.url !== undefined) assert.isTrue(URL.canParse(facts.url))
  return facts
}

/** What may stand where something else was expected. */
export const intruders: ReadonlyArray<Schema.Json> = [
  null,
  true,
  0,
  -1.5,
  1e300,
  "",
  " ",
  "\ud800\u0000text",
  [],
  [null],
  [[1]],
  {},
  { login: {} }
]

const wound = (json: Schema.Json, next: () => number): Schema.Json => {
  const dice = next()
  if (dice < 0.05) return intruders[Math.floor(dice * 20 * intruders.length)] ?? null
  if (Array.isArray(json)) return json.map((entry: Schema.Json) => wound(entry, next))
  if (typeof json === "object" && json !== null) {
    return Object.fromEntries(
      Object.entries(json).flatMap(([key, value]) => (next() < 0.05 ? [] : [[key, wound(value, next)]]))
    )
  }
  return json
}

/** The payload with about one value in ten dropped or replaced by one of another type; the seed decides which. */
export const wounded = (json: Schema.Json, seed: number) => {
  let state = seed
  // A small linear congruential generator, so that a failure can be repeated.
  return wound(json, () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648)
}

export const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
