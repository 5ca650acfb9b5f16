import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { EventId } from "@devops-mcp/domain/Ids"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { type Sign, signGitLab, signPagerDuty, signSha256, signSlack } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { UseCases } from "./Fakes.ts"

interface Story {
  readonly source: WebhookSource
  readonly sign: Sign
  readonly headers?: Readonly<Record<string, string>>
  readonly payload: Schema.JsonObject
  readonly event: Readonly<Record<string, string>>
}

/** One delivery of each source beside GitHub, all about one word, and what becomes of it. */
const stories: ReadonlyArray<Story> = [
  {
    source: "gitlab",
    sign: signGitLab,
    payload: {
      object_kind: "merge_request",
      user: { username: "ada" },
      project: { path_with_namespace: "acme/shop" },
      object_attributes: { iid: 7, title: "A quicker wombat", action: "merge" }
    },
    event: {
      type: "merge_request",
      repository: "acme/shop",
      actor: "ada",
      title: "Merge request !7 merged: A quicker wombat"
    }
  },
  {
    source: "jira",
    sign: signSha256("x-hub-signature"),
    payload: {
      webhookEvent: "jira:issue_created",
      user: { displayName: "Ada Lovelace" },
      issue: { key: "SHOP-1", fields: { summary: "The wombat is slow", issuetype: { name: "Bug" } } }
    },
    event: { type: "jira:issue_created", actor: "Ada Lovelace", title: "Bug SHOP-1 created: The wombat is slow" }
  },
  {
    source: "bitbucket",
    sign: signSha256("x-hub-signature"),
    headers: { "x-event-key": "pullrequest:fulfilled", "x-request-uuid": "u-1" },
    payload: {
      actor: { nickname: "ada" },
      repository: { full_name: "acme/shop" },
      pullrequest: { id: 3, title: "Feed the wombat" }
    },
    event: { type: "pullrequest:fulfilled", actor: "ada", title: "Pull request #3 merged: Feed the wombat" }
  },
  {
    source: "slack",
    sign: signSlack,
    payload: {
      type: "event_callback",
      team_id: "T1",
      event_id: "Ev1",
      event: { type: "message", user: "U1", channel: "C1", text: "wombat is down" }
    },
    event: { type: "message", actor: "U1", title: "Message posted in the channel C1: wombat is down" }
  },
  {
    source: "pagerduty",
    sign: signPagerDuty,
    payload: { event: { id: "E1", event_type: "incident.resolved", data: { number: 2, title: "wombat latency" } } },
    event: { type: "incident.resolved", title: "Incident #2 resolved: wombat latency" }
  },
  {
    source: "generic",
    sign: signSha256("x-signature-256"),
    payload: { type: "deploy", title: "wombat 1.1 is live", repository: "acme/wombat" },
    event: { type: "deploy", repository: "acme/wombat", title: "Event deploy: wombat 1.1 is live" }
  }
]

const work = Effect.gen(function* () {
  const [queue, ingest] = [yield* JobQueue, yield* Ingest]
  yield* queue.take("deliveries", {
    run: (job, metadata) => (job._tag === "RunTask" ? Effect.void : ingest.run(job, metadata))
  })
})

const waiting = Effect.flatMap(JobQueue, (queue) =>
  Effect.map(queue.stats, (all) => all.find(({ name }) => name === "deliveries")?.depth)
)

const secret = "whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlIG9mIGtleQ=="

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("Webhooks of every source", (it) => {
  it.effect.each(stories)("$source: a delivery, however often it comes, makes one event that is found", (story) =>
    Effect.gen(function* () {
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
      const tenantId = yield* freshTenant
      const webhooks = yield* Webhooks
      const { secret: kept, webhook } = yield* webhooks.create(tenantId, { source: story.source, name: "ours", secret })
      const body = JSON.stringify(story.payload)
      const receive = Effect.flatMap(story.sign(kept, body), (signed) =>
        webhooks.receive(webhook.id, { ...story.headers, ...signed }, body)
      )
      const answers = yield* Effect.replicateEffect(receive, 4, { concurrency: "unbounded" })
      assert.lengthOf(
        answers.filter(({ status }) => status === "accepted"),
        1
      )
      const [{ deliveryId } = { deliveryId: "" }] = answers
      assert.isTrue(answers.every((answer) => answer.deliveryId === deliveryId))
      yield* work
      assert.strictEqual(yield* waiting, 0)
      const event = yield* (yield* EventRepository).get(tenantId, EventId.make(deliveryId))
      assert.deepInclude(event, { ...story.event, source: story.source, status: "processed" })
      const { items } = yield* (yield* Knowledge).search(tenantId, { query: "wombat", mode: "keyword" })
      assert.deepStrictEqual(
        items.map(({ ref }) => ref),
        [`event://${deliveryId}`]
      )
    })
  )

  it.effect("answers Slack's challenge and keeps the question as an event", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
      const tenantId = yield* freshTenant
      const webhooks = yield* Webhooks
      const { secret: kept, webhook } = yield* webhooks.create(tenantId, { source: "slack", name: "ours", secret })
      const body = JSON.stringify({ type: "url_verification", token: "t", challenge: "3eZbrw1aBm2r" })
      const { challenge, deliveryId } = yield* webhooks.receive(webhook.id, yield* signSlack(kept, body), body)
      assert.strictEqual(challenge, "3eZbrw1aBm2r")
      yield* work
      const event = yield* (yield* EventRepository).get(tenantId, EventId.make(deliveryId))
      assert.deepInclude(event, { source: "slack", type: "url_verification", title: "Webhook connected" })
    })
  )
})
