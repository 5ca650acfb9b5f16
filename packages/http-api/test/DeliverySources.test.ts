import { WebhookAdaptersLive } from "@devops-mcp/adapters/WebhookAdapters"
import { WebhookSource } from "@devops-mcp/domain/Webhook"
import { webhookDeliveries } from "@devops-mcp/observability/Metrics"
import {
  type Sign,
  sendGitLabToken,
  signGitLab,
  signPagerDuty,
  signSha256,
  signSlack
} from "@devops-mcp/testing/WebhookSigners"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Layer, Metric, Redacted } from "effect"
import { fakesOn, webhookOf, webhookSecret } from "./Fakes.ts"
import { send, testServer } from "./TestServer.ts"

const Server = testServer({}, fakesOn(WebhookAdaptersLive.pipe(Layer.provide(NodeCrypto.layer))))

interface Sent {
  readonly source: WebhookSource
  readonly sign: Sign
  /** What names the delivery beside its signature. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  /** What the sender sends when it tries again with all that may differ. */
  readonly again?: Readonly<Record<string, string>>
}

const sent: ReadonlyArray<Sent> = [
  {
    source: "github",
    sign: signSha256("x-hub-signature-256"),
    headers: { "x-github-event": "push", "x-github-delivery": "one" },
    body: '{"ref":"refs/heads/main"}'
  },
  {
    source: "gitlab",
    sign: sendGitLabToken,
    headers: { "x-gitlab-event": "Push Hook", "idempotency-key": "one" },
    body: '{"object_kind":"push"}'
  },
  {
    source: "gitlab",
    sign: signGitLab,
    headers: { "x-gitlab-event": "Push Hook" },
    body: '{"object_kind":"push", "signed": true}'
  },
  {
    source: "jira",
    sign: signSha256("x-hub-signature"),
    headers: { "x-atlassian-webhook-identifier": "one" },
    again: { "x-atlassian-webhook-retry": "1" },
    body: '{"webhookEvent":"jira:issue_created"}'
  },
  {
    source: "bitbucket",
    sign: signSha256("x-hub-signature"),
    headers: { "x-event-key": "repo:push", "x-request-uuid": "one" },
    again: { "x-attempt-number": "2" },
    body: '{"push":{"changes":[]}}'
  },
  {
    source: "slack",
    sign: signSlack,
    again: { "x-slack-retry-num": "1" },
    body: '{"type":"event_callback","event_id":"Ev1","event":{"type":"message","text":"hi"}}'
  },
  {
    source: "pagerduty",
    sign: signPagerDuty,
    headers: { "x-webhook-id": "the-subscription" },
    body: '{"event":{"id":"E1","event_type":"incident.triggered","data":{}}}'
  },
  { source: "generic", sign: signSha256("x-signature-256"), body: '{"type":"deploy", "é": "\\u00e9"}' },
  {
    source: "generic",
    sign: signSha256("x-hub-signature-256"),
    headers: { "x-delivery-id": "two" },
    body: '{"type":"deploy"}'
  }
]

const addressOf = (source: WebhookSource) => `/webhooks/${webhookOf.get(source)?.id}`

const counted = (source: WebhookSource, outcome: string) =>
  Effect.map(Metric.value(Metric.withAttributes(webhookDeliveries, { source, outcome })), ({ count }) => Number(count))

const given = (headers: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

/** Signs as of another moment than now. */
const signedAt = (offset: Duration.Duration, sign: Sign, body: string) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const millis = clock.currentTimeMillisUnsafe() + Duration.toMillis(offset)
    return yield* sign(webhookSecret, body).pipe(
      Effect.provideService(Clock.Clock, { ...clock, currentTimeMillis: Effect.succeed(millis) })
    )
  })

layer(Server, { excludeTestServices: true })("Deliveries of every source", (it) => {
  it.effect("there is one of every source", () =>
    Effect.sync(() => assert.sameMembers([...new Set(sent.map(({ source }) => source))], [...WebhookSource.literals]))
  )

  for (const [index, { again = {}, body, headers = {}, sign, source }] of sent.entries()) {
    it.effect(`${source} (${index}): accepted, known when it comes again, refused when it is not what was signed`, () =>
      Effect.gen(function* () {
        const path = addressOf(source)
        const before = yield* Effect.all([counted(source, "accepted"), counted(source, "unauthorized")])
        const signed = given({ ...headers, ...(yield* sign(webhookSecret, body)) })
        const first = yield* send("POST", path, { body, headers: signed })
        assert.deepStrictEqual([first.status, Object(first.json).status], [202, "accepted"])
        const second = yield* send("POST", path, { body, headers: { ...signed, ...again } })
        assert.deepStrictEqual([second.status, Object(second.json).status], [202, "duplicate"])

        const other = Redacted.make("whsec_YW5vdGhlciBzZWNyZXQgb2YgMjQgYnl0ZXM=")
        const refused = [
          { body, headers: given({ ...headers, ...(yield* sign(other, body)) }) },
          { body, headers },
          ...(sign === sendGitLabToken ? [] : [{ body: `${body} `, headers: signed }])
        ]
        for (const attempt of refused) {
          const { json, status } = yield* send("POST", path, attempt)
          assert.strictEqual(status, 401)
          assert.containSubset(json, { code: "unauthorized" })
        }
        const after = yield* Effect.all([counted(source, "accepted"), counted(source, "unauthorized")])
        assert.deepStrictEqual(after, [before[0] + 1, before[1] + refused.length])
      })
    )
  }

  it.effect.each([
    ["slack", signSlack],
    ["gitlab", signGitLab]
  ] as const)("%s: what was signed more than five minutes before or after now is a 401 of its own", ([source, sign]) =>
    Effect.gen(function* () {
      const body = '{"type":"event_callback","event":{"type":"message"},"late":true}'
      const before = yield* counted(source, "stale-signature")
      for (const offset of [Duration.minutes(-6), Duration.minutes(6)]) {
        const headers = given(yield* signedAt(offset, sign, body))
        const { json, status } = yield* send("POST", addressOf(source), { body, headers })
        assert.strictEqual(status, 401)
        assert.containSubset(json, { code: "stale-signature" })
      }
      assert.strictEqual(yield* counted(source, "stale-signature"), before + 2)
      const headers = given(yield* signedAt(Duration.minutes(-4), sign, body))
      assert.strictEqual((yield* send("POST", addressOf(source), { body, headers })).status, 202)
    })
  )

  it.effect("Slack's challenge is answered when it is signed, and only then", () =>
    Effect.gen(function* () {
      const path = addressOf("slack")
      const now = DateTime.formatIso(yield* DateTime.now).replaceAll(":", "")
      const body = JSON.stringify({ type: "url_verification", challenge: `c${now}`, token: "t" })
      const headers = given(yield* signSlack(webhookSecret, body))
      for (const _ of ["first", "again"]) {
        const { json, status } = yield* send("POST", path, { body, headers })
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(json, { challenge: `c${now}` })
      }
      const forged = yield* send("POST", path, {
        body,
        headers: { ...headers, "x-slack-signature": `v0=${"0".repeat(64)}` }
      })
      assert.strictEqual(forged.status, 401)
      assert.notInclude(forged.text, now)
    })
  )

  it.effect("no other source answers a challenge", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ type: "url_verification", challenge: "c1" })
      const headers = given(yield* signSha256("x-signature-256")(webhookSecret, body))
      const { json, status } = yield* send("POST", addressOf("generic"), { body, headers })
      assert.strictEqual(status, 202)
      assert.notProperty(json, "challenge")
    })
  )

  it.effect("Slack's forms are a 415", () =>
    Effect.gen(function* () {
      const body = "command=%2Fdeploy&text=shop"
      const headers = given(yield* signSlack(webhookSecret, body))
      const contentType = "application/x-www-form-urlencoded"
      const { status } = yield* send("POST", addressOf("slack"), { body, headers, contentType })
      assert.strictEqual(status, 415)
    })
  )
})
