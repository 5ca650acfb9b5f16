import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { assert, expect, layer } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { described as bitbucket } from "../src/bitbucket/normalise/Normalise.ts"
import { described as gitlab } from "../src/gitlab/normalise/Normalise.ts"
import { described as jira } from "../src/jira/normalise/Normalise.ts"
import { described as pagerduty } from "../src/pagerduty/normalise/Normalise.ts"
import { described as slack } from "../src/slack/normalise/Normalise.ts"
import { Adapters, adapterOf } from "./Adapters.ts"
import { samples as ofBitbucket } from "./bitbucket/Samples.ts"
import { samples as ofGeneric } from "./generic/Samples.ts"
import { samples as ofGitLab } from "./gitlab/Samples.ts"
import { samples as ofJira } from "./jira/Samples.ts"
import { samples as ofPagerDuty } from "./pagerduty/Samples.ts"
import type { Sample } from "./Sample.ts"
import { samples as ofSlack } from "./slack/Samples.ts"
import { assertSound, intruders, Seed, wounded } from "./Wounds.ts"

interface Sender {
  readonly source: WebhookSource
  readonly samples: ReadonlyArray<Sample>
  /** Types beside those of the samples that have, or may have, a description of their own. */
  readonly types: ReadonlyArray<string>
  /** How many samples are of a type that nothing special is said of. */
  readonly generic: number
}

const senders: ReadonlyArray<Sender> = [
  { source: "gitlab", samples: ofGitLab, types: gitlab, generic: 2 },
  { source: "jira", samples: ofJira, types: jira.map((thing) => `${thing}_updated`), generic: 1 },
  { source: "bitbucket", samples: ofBitbucket, types: bitbucket, generic: 2 },
  { source: "slack", samples: ofSlack, types: slack, generic: 1 },
  { source: "pagerduty", samples: ofPagerDuty, types: pagerduty, generic: 1 },
  { source: "generic", samples: ofGeneric, types: ["anything"], generic: 0 }
]

/** What the samples have of secrets, and must not come out. */
const secrets = /hunter2|Jhj5dZrVaK7ZwHHjRyZWjbDl|987654321/

/** A payload whose every field with a short name is one thing, so that describers find something wherever they look. */
const everywhere = (value: Schema.Json): Schema.JsonObject => {
  const thing = {
    id: value,
    name: value,
    title: value,
    summary: value,
    body: value,
    content: { raw: value },
    user: value
  }
  const keys = [
    "object_attributes",
    "issue",
    "comment",
    "pullrequest",
    "push",
    "commit_status",
    "channel",
    "event",
    "data"
  ]
  const outer = Object.fromEntries(keys.map((key) => [key, thing]))
  return { ...thing, ...outer, event: { ...thing, ...outer, text: value, ts: value, occurred_at: value, data: thing } }
}

const receivedAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")

for (const { generic, samples, source, types } of senders) {
  const all = [...new Set([...types, ...samples.map(({ eventType }) => eventType)])]

  layer(Adapters)(`normalise of ${source}`, (it) => {
    it.effect("tells samples of the main events in full", () =>
      Effect.gen(function* () {
        const { normalise } = yield* adapterOf(source)
        const texts = samples.map(({ eventType, of, payload }) => {
          const facts = normalise({ eventType, payload, receivedAt })
          return [
            `# ${facts.type} (${of}): ${facts.title}`,
            facts.summary,
            [facts.action, facts.repository, facts.actor, facts.url, DateTime.formatIso(facts.occurredAt)]
              .map((fact) => fact ?? "-")
              .join(" | ")
          ].join("\n")
        })
        yield* Effect.promise(() => expect(`${texts.join("\n\n")}\n`).toMatchFileSnapshot(`./${source}/Events.txt`))
      })
    )

    it.effect("says something of its own about the main events, and when they were", () =>
      Effect.gen(function* () {
        const { identify, normalise } = yield* adapterOf(source)
        const facts = samples.map(({ eventType, payload }) => normalise({ eventType, payload, receivedAt }))
        assert.lengthOf(
          facts.filter(({ title }) => / event /.test(title)),
          generic
        )
        for (const [index, { eventType, payload }] of samples.entries()) {
          assert.strictEqual(facts[index]?.type, eventType)
          assert.notMatch(JSON.stringify(facts[index]), secrets)
          assert.notMatch(facts[index]?.url ?? "", /\/rest\/|^https:\/\/api\./)
          const named = yield* identify({ "x-event-key": eventType }, payload, JSON.stringify(payload))
          assert.strictEqual(named.eventType, eventType)
        }
        const late = facts.filter(({ occurredAt }) => DateTime.Equivalence(occurredAt, receivedAt))
        assert.isBelow(late.length, samples.length / 2)
      })
    )

    it.effect.prop(
      "is total on samples with values dropped and replaced",
      [Seed],
      ([seed]) =>
        Effect.gen(function* () {
          const { identify, normalise } = yield* adapterOf(source)
          const sample = samples[seed % samples.length]
          assert.isDefined(sample)
          const payload = wounded(sample.payload, seed)
          assertSound(normalise, sample.eventType, payload)
          yield* identify({ "x-event-key": "repo:push" }, payload, "{}")
        }),
      { arbitrary: { runs: 300 } }
    )

    it.effect.prop("is total for every type on arbitrary JSON", [Schema.Json], ([json]) =>
      Effect.gen(function* () {
        const { normalise } = yield* adapterOf(source)
        for (const type of all) {
          assertSound(normalise, type, json)
          assertSound(normalise, type, everywhere(json))
        }
      })
    )

    it.effect("is total when any field at the top, or in the thing itself, is of another type", () =>
      Effect.gen(function* () {
        const { normalise } = yield* adapterOf(source)
        for (const { eventType, payload } of samples) {
          for (const [key, value] of Object.entries(payload)) {
            for (const intruder of intruders) {
              assertSound(normalise, eventType, { ...payload, [key]: intruder })
              if (typeof value !== "object" || value === null || Array.isArray(value)) continue
              for (const inner of Object.keys(value)) {
                assertSound(normalise, eventType, { ...payload, [key]: { ...value, [inner]: intruder } })
              }
            }
          }
        }
      })
    )

    it.effect("never takes over a secret that stands in a text", () =>
      Effect.gen(function* () {
        const { normalise } = yield* adapterOf(source)
        const secret = "glpat-0123456789abcdefghij"
        for (const type of all) {
          const facts = assertSound(normalise, type, everywhere(`use ${secret} or https://a:${secret}@example.org`))
          assert.notInclude(JSON.stringify(facts), secret)
        }
      })
    )
  })
}
