import { EventFacts } from "@devops-mcp/domain/Event"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import { describedTypes, normalise } from "../../src/github/normalise/Normalise.ts"
import { examples } from "./Examples.ts"

const receivedAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const isObject = Schema.is(Schema.JsonObject)
const isFacts = Schema.is(Schema.toType(EventFacts))

const assertSound = (eventType: string, payload: Schema.Json) => {
  const facts = normalise({ eventType, payload, receivedAt })
  assert.isTrue(isFacts(facts))
  assert.match(facts.title, /^[^\p{Cc}]{1,200}$/u)
  assert.isNotEmpty(facts.summary)
  assert.isAtMost(facts.summary.length, 4000)
  assert.isTrue((facts.title + facts.summary).isWellFormed())
  assert.notMatch(facts.summary, /undefined|\[object|NaN/)
  if (facts.url !== undefined) assert.isTrue(URL.canParse(facts.url))
}

const intruders: ReadonlyArray<Schema.Json> = [
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

/** The payload with about one value in ten dropped or replaced by one of another type. */
const wounded = (json: Schema.Json, next: () => number): Schema.Json => {
  const dice = next()
  if (dice < 0.05) return intruders[Math.floor(dice * 20 * intruders.length)] ?? null
  if (Array.isArray(json)) return json.map((entry: Schema.Json) => wounded(entry, next))
  if (typeof json === "object" && json !== null) {
    return Object.fromEntries(
      Object.entries(json).flatMap(([key, value]) => (next() < 0.05 ? [] : [[key, wounded(value, next)]]))
    )
  }
  return json
}

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

describe("normalise, whatever the payload", () => {
  it.prop(
    "is total on real payloads with values dropped and replaced",
    [Seed],
    ([seed]) => {
      let state = seed
      // A small linear congruential generator: the property's seed decides every wound, so a failure can be repeated.
      const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648
      const example = examples[seed % examples.length]
      assert.isDefined(example)
      assertSound(example.eventType, wounded(example.payload, next))
    },
    { arbitrary: { runs: 400 } }
  )

  it("is total when any field at the top is missing or of another type", () => {
    const firsts = new Map(examples.map((example) => [example.eventType, example]))
    for (const { eventType, payload } of firsts.values()) {
      for (const key of Object.keys(payload)) {
        for (const intruder of intruders) assertSound(eventType, { ...payload, [key]: intruder })
      }
    }
  })

  it.prop("is total for every known type on arbitrary JSON", [Schema.Json], ([json]) => {
    for (const type of describedTypes) assertSound(type, json)
  })

  it.prop(
    "is total for every known type on arbitrary JSON under its own names",
    [Schema.Json, Schema.Json],
    ([thing, text]) => {
      const inner = isObject(thing) ? thing : { body: thing }
      const full = { ...inner, title: text, name: text, html_url: text, updated_at: text, login: text }
      for (const type of describedTypes) {
        assertSound(type, {
          action: text,
          [type]: full,
          alert: full,
          comment: full,
          issue: full,
          pull_request: full,
          repository: full,
          sender: full
        })
      }
    }
  )
})
