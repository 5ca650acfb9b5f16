import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { describedTypes, normalise } from "../../src/github/normalise/Normalise.ts"
import * as Wounds from "../Wounds.ts"
import { examples } from "./Examples.ts"

const isObject = Schema.is(Schema.JsonObject)

const assertSound = (eventType: string, payload: Schema.Json) => Wounds.assertSound(normalise, eventType, payload)

describe("normalise, whatever the payload", () => {
  it.prop(
    "is total on real payloads with values dropped and replaced",
    [Wounds.Seed],
    ([seed]) => {
      const example = examples[seed % examples.length]
      assert.isDefined(example)
      assertSound(example.eventType, Wounds.wounded(example.payload, seed))
    },
    { arbitrary: { runs: 400 } }
  )

  it("is total when any field at the top is missing or of another type", () => {
    const firsts = new Map(examples.map((example) => [example.eventType, example]))
    for (const { eventType, payload } of firsts.values()) {
      for (const key of Object.keys(payload)) {
        for (const intruder of Wounds.intruders) assertSound(eventType, { ...payload, [key]: intruder })
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
