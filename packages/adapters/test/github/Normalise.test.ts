import { assert, describe, expect, it } from "@effect/vitest"
import { DateTime, type Schema } from "effect"
import { describedTypes, normalise } from "../../src/github/normalise/Normalise.ts"
import { Payload } from "../../src/normalise/Payload.ts"
import { examples } from "./Examples.ts"

const receivedAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const factsOf = (eventType: string, payload: Schema.Json) => normalise({ eventType, payload, receivedAt })
const all = examples.map((example) => ({ ...example, facts: factsOf(example.eventType, example.payload) }))

/** The examples, by type and place, whose summaries a reviewer sees whole. */
const shownWhole = {
  branch_protection_rule: 0,
  check_run: 1,
  code_scanning_alert: 3,
  commit_comment: 0,
  dependabot_alert: 1,
  deployment_status: 1,
  discussion: 1,
  installation: 1,
  issue_comment: 0,
  issues: 9,
  member: 3,
  organization: 0,
  package: 0,
  ping: 0,
  pull_request: 0,
  push: 4,
  release: 0,
  security_advisory: 2,
  workflow_job: 1,
  workflow_run: 1
}

describe("normalise, on the example payloads of GitHub", () => {
  it("has examples to look at", () => assert.isAbove(examples.length, 300))

  it("has a description of its own for every type, and for others of GitHub's documentation", () => {
    assert.includeMembers([...describedTypes], [...new Set(examples.map(({ eventType }) => eventType))])
    assert.includeMembers([...describedTypes], ["secret_scanning_alert", "repository_ruleset", "registry_package"])
  })

  it("never falls back to the generic description", () => {
    for (const { facts } of all) {
      assert.notMatch(facts.title, /^GitHub event/)
      assert.isAtLeast(facts.summary.length, 40)
      assert.notMatch(facts.title + facts.summary, /undefined|null|\[object/)
    }
  })

  it("takes type, repository and actor as the payload has them", () => {
    for (const { eventType, payload, facts } of all) {
      const read = new Payload(payload)
      assert.strictEqual(facts.type, eventType)
      assert.strictEqual(facts.action, read.line("action"))
      assert.strictEqual(facts.repository, read.line("repository", "full_name"))
      assert.strictEqual(facts.actor, read.login("sender"))
      if (facts.repository !== undefined && eventType !== "issues") assert.include(facts.summary, facts.repository)
    }
  })

  it("links to pages, never to the API", () => {
    for (const { payload, facts } of all) {
      if (new Payload(payload).at("repository").isObject) assert.isDefined(facts.url)
      if (facts.url !== undefined) assert.match(facts.url, /^https?:\/\/(?!api\.)/)
    }
  })

  it("says in one line each", async () => {
    const lines = all.map(
      ({ facts, index }) => `${facts.type} ${String(index).padStart(2, "0")} | ${facts.action ?? "-"} | ${facts.title}`
    )
    await expect(`${lines.toSorted().join("\n")}\n`).toMatchFileSnapshot("./Normalise.titles.txt")
  })

  it("says in full for twenty", async () => {
    const chosen = Object.entries(shownWhole).flatMap(([type, place]) =>
      all.filter(({ eventType, index }) => eventType === type && index === place)
    )
    assert.lengthOf(chosen, Object.keys(shownWhole).length)
    const texts = chosen.map(({ facts }) =>
      [
        `# ${facts.type}: ${facts.title}`,
        facts.summary,
        [facts.repository, facts.actor, facts.url, DateTime.formatIso(facts.occurredAt)]
          .map((fact) => fact ?? "-")
          .join(" | ")
      ].join("\n")
    )
    await expect(`${texts.join("\n\n")}\n`).toMatchFileSnapshot("./Normalise.summaries.txt")
  })

  it("never copies a deploy key, a webhook's address or its secret", () => {
    for (const { eventType, payload, facts } of all) {
      const read = new Payload(payload)
      const text = JSON.stringify(facts)
      if (eventType === "deploy_key") assert.notInclude(text, "AAAAB3NzaC1yc2E")
      for (const field of ["url", "secret"]) {
        const value = read.line("hook", "config", field)
        if (value !== undefined) assert.notInclude(text, value)
      }
    }
  })
})

const repository = { full_name: "acme/shop", html_url: "https://github.com/acme/shop" }
const sender = { login: "ada" }

describe("normalise", () => {
  it("lists branch, commits and author of a push", () => {
    const facts = factsOf("push", {
      ref: "refs/heads/main",
      commits: [
        {
          id: "a".repeat(40),
          message: "Fix the checkout\n\nIt failed.",
          author: { username: "ada" },
          modified: ["src/cart.ts"]
        },
        { id: "b".repeat(40), message: "Add tests", author: { name: "Grace" } }
      ],
      head_commit: { message: "Add tests", timestamp: "2025-12-31T23:00:00+01:00" },
      compare: "https://github.com/acme/shop/compare/a...b",
      repository,
      sender
    })
    assert.deepStrictEqual(facts, {
      type: "push",
      repository: "acme/shop",
      actor: "ada",
      title: "Push to branch main (2 commits): Add tests",
      summary:
        "ada pushed 2 commits to the branch main of the repository acme/shop. " +
        "Commits: aaaaaaa by ada: Fix the checkout It failed.; bbbbbbb by Grace: Add tests. Files: src/cart.ts.",
      url: "https://github.com/acme/shop/compare/a...b",
      occurredAt: DateTime.makeUnsafe("2025-12-31T22:00:00Z")
    })
  })

  it("says merged for a closed pull request that was merged", () => {
    const facts = factsOf("pull_request", {
      action: "closed",
      pull_request: { number: 7, title: "Faster cart", merged: true, merged_by: { login: "grace" } },
      repository,
      sender
    })
    assert.strictEqual(facts.title, "Pull request #7 merged: Faster cart")
    assert.include(facts.summary, "was merged by grace")
  })

  it.each([
    ["failure", "failed"],
    ["success", "succeeded"],
    ["timed_out", "timed out"],
    ["cancelled", "cancelled"]
  ])("says of runs, checks and statuses with the conclusion %s that they %s", (conclusion, word) => {
    const run = {
      name: "CI",
      head_branch: "main",
      check_suite: { head_branch: "main" },
      conclusion,
      status: "completed"
    }
    const payload = {
      action: "completed",
      workflow_run: run,
      workflow_job: run,
      check_run: run,
      check_suite: run,
      deployment_status: { state: conclusion, environment: "production" },
      deployment: { ref: "main" },
      state: conclusion,
      branches: [{ name: "main" }],
      repository,
      sender
    }
    for (const type of ["workflow_run", "workflow_job", "check_run", "check_suite", "status", "deployment_status"]) {
      const facts = factsOf(type, payload)
      assert.include(facts.title, word)
      assert.match(facts.summary, new RegExp(`\\b${word}\\b`))
      assert.match(facts.summary, /\bmain\b/)
    }
  })

  it("says what kind of secret leaked, never the secret", () => {
    const alert = {
      number: 3,
      secret_type: "aws_access_key_id",
      secret: "hunter2-hunter2",
      html_url: "https://github.com/a"
    }
    const facts = factsOf("secret_scanning_alert", { action: "created", alert, repository })
    assert.strictEqual(facts.title, "Secret scanning alert #3 created: aws access key id")
    assert.notInclude(JSON.stringify(facts), "hunter2")
    assert.notProperty(facts, "actor")
  })

  it("gives generic facts of types it does not know", () => {
    const facts = factsOf("new_thing", {
      action: "was_made",
      new_thing: {
        title: "A thing",
        html_url: "https://github.com/acme/shop/things/1",
        updated_at: "2025-05-05T05:05:05Z"
      },
      repository,
      sender
    })
    assert.strictEqual(facts.title, "GitHub event new thing was made: A thing")
    assert.include(facts.summary, "in the repository acme/shop, caused by ada")
    assert.strictEqual(facts.url, "https://github.com/acme/shop/things/1")
    assert.strictEqual(DateTime.formatIso(facts.occurredAt), "2025-05-05T05:05:05.000Z")
  })

  it.each([
    "yesterday",
    "2019-13-45T99:99:99Z",
    "2019-05-15",
    "1970-01-01T00:00:00Z",
    "2199-01-01T00:00:00Z",
    -1,
    1e300,
    1e9,
    {}
  ])("takes the time of receipt for the impossible moment %j", (updated_at) => {
    const facts = factsOf("issues", { action: "labeled", issue: { title: "t", updated_at } })
    assert.deepStrictEqual(facts.occurredAt, receivedAt)
  })
})
