import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { HttpClient, UrlParams } from "effect/http"
import { Acts, connectionsAsked } from "./Fakes.ts"
import { logged, send, testServer } from "./TestServer.ts"

/** What a provider sends in the address; neither logs nor spans show it, and only the form on our page has it. */
const code = "authorization-code-of-<somebody>"
globalThis.runWatch?.guard("an authorization code", code)

const form = { code, state: "good", iss: "https://sso.acme.example" }

const ours = { "sec-fetch-site": "same-origin" }

/** Whoever comes back from a provider; the test's own client traces too. */
const comeBack = (parameters: Readonly<Record<string, string>>) =>
  HttpClient.get(`/oauth/callback?${new URLSearchParams(parameters)}`).pipe(
    Effect.flatMap(({ headers, status, text }) => Effect.map(text, (page) => ({ headers, page, status }))),
    Effect.provideService(UrlParams.CurrentRedactedNames, ["code", "state", "iss"])
  )

const post = (fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = ours) =>
  send("POST", "/oauth/callback", {
    body: new URLSearchParams(fields).toString(),
    contentType: "application/x-www-form-urlencoded",
    headers
  })

const PUBLIC_URL = "https://devops-mcp.example.com/behind/a/proxy"

layer(testServer({ PUBLIC_URL }), { excludeTestServices: true })("/oauth/callback", (it) => {
  it.effect("asks first, and changes nothing", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      connectionsAsked.length = 0
      const { headers, page, status } = yield* comeBack(form)
      assert.strictEqual(status, 200)
      assert.match(headers["content-type"] ?? "", /^text\/html/)
      for (const told of ["acme", "sso.acme.example", "repo, read:user", "A &amp; B", "&lt;b&gt;build&lt;/b&gt;"]) {
        assert.include(page, told)
      }
      assert.include(page, "this caller, and nobody else")
      assert.notMatch(page, /<b>|<script|<a |<img|<style|http-equiv/i)
      assert.strictEqual(page.match(/<form /g)?.length, 1)
      assert.include(page, `<form method="post" action="callback">`)
      assert.include(page, `name="code" value="authorization-code-of-&lt;somebody&gt;"`)
      assert.include(page, `name="state" value="good"`)
      assert.deepStrictEqual(
        [...page.matchAll(/name="decision" value="(\w+)"/g)].map(([, decision]) => decision),
        ["connect", "discard"]
      )
      assert.strictEqual(
        headers["content-security-policy"],
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
      )
      assert.strictEqual(headers["x-frame-options"], "DENY")
      assert.strictEqual(headers["cache-control"], "no-store")
      // Else the form's origin would be `null`; and the address, which has the code in it, is told to nobody.
      assert.strictEqual(headers["referrer-policy"], "strict-origin")
      assert.include(
        (yield* comeBack({ ...form, state: "shared" })).page,
        "everybody in the tenant &#39;A &amp; B&#39;"
      )
      assert.deepStrictEqual(connectionsAsked, ["pending good", "pending shared"])
      assert.deepStrictEqual(acts, [])
    })
  )

  it.effect("connects when its own form says so, and says for whom", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      for (const headers of [ours, { origin: "https://devops-mcp.example.com" }]) {
        acts.length = 0
        connectionsAsked.length = 0
        const answer = yield* post({ ...form, decision: "connect" }, headers)
        assert.strictEqual(answer.status, 200)
        assert.include(answer.text, "&lt;b&gt;build&lt;/b&gt;")
        assert.notMatch(answer.text, /<b>|<script|<a |<form|http-equiv/i)
        assert.include(answer.headers["content-security-policy"] ?? "", "form-action 'none'")
        assert.strictEqual(answer.headers["cache-control"], "no-store")
        assert.strictEqual(answer.headers["referrer-policy"], "no-referrer")
        assert.isUndefined(answer.headers["location"])
        assert.deepStrictEqual(connectionsAsked, [`complete good ${code} ${form.iss}`])
        assert.strictEqual(acts.length, 1)
        assert.deepInclude(acts[0], { action: "connections.complete", outcome: "ok", changes: true })
      }
      assert.notInclude(logged.join("\n"), "authorization-code-of")
    })
  )

  it.effect("does not connect when its own form says so, and that is the end of it", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      connectionsAsked.length = 0
      const answer = yield* post({ ...form, decision: "discard" })
      assert.strictEqual(answer.status, 200)
      assert.include(answer.text, "Nothing was connected")
      assert.deepStrictEqual(connectionsAsked, ["discard good"])
      assert.deepInclude(acts[0], { action: "connections.discard", outcome: "ok", changes: true })
    })
  )

  it.effect.each([
    { what: "another site's form", headers: { "sec-fetch-site": "cross-site", origin: "https://evil.example.com" } },
    { what: "a sibling's form", headers: { "sec-fetch-site": "same-site" } },
    { what: "a form without a site", headers: { "sec-fetch-site": "none" } },
    { what: "another origin's form", headers: { origin: "https://evil.example.com" } },
    { what: "a form of a hidden origin", headers: { origin: "null" } },
    { what: "a form that does not say", headers: {} }
  ])("takes no notice of $what", ({ headers }) =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      connectionsAsked.length = 0
      for (const decision of ["connect", "discard"]) {
        assert.strictEqual((yield* post({ ...form, decision }, headers)).status, 403)
      }
      assert.deepStrictEqual([acts, connectionsAsked], [[], []])
    })
  )

  it.effect("says what went wrong, and puts it on record where it is known for whom", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      const refused = yield* post({ ...form, state: "refused", decision: "connect" })
      assert.strictEqual(refused.status, 400)
      assert.include(refused.text, "It refused: invalid_grant")
      assert.strictEqual(acts.length, 1)
      assert.deepInclude(acts[0], { action: "connections.complete", outcome: "failed", changes: false })
      const denied = yield* comeBack({ state: "good", error: "access_denied", error_description: "<script>" })
      assert.strictEqual(denied.status, 400)
      assert.include(denied.page, "&#39;acme&#39; says that you did not allow it")
      assert.notInclude(denied.page, "script")
      for (const [state, status] of [
        ["unknown", 400],
        ["down", 503]
      ] as const) {
        assert.strictEqual((yield* comeBack({ ...form, state })).status, status)
        assert.strictEqual((yield* comeBack({ state, error: "access_denied" })).status, status)
        for (const decision of ["connect", "discard"]) {
          assert.strictEqual((yield* post({ ...form, state, decision })).status, status)
        }
      }
      assert.strictEqual(acts.length, 1)
    })
  )

  it.effect.each([
    "",
    "?code=abc",
    "?state=",
    `?state=${"x".repeat(2001)}`,
    "?state=good&state=other&code=abc",
    "?state=good"
  ])("takes no answer like %s", (query) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("GET", `/oauth/callback${query}`)).status, 400)
    })
  )

  it.effect.each<Readonly<Record<string, string>>>([
    {},
    { ...form },
    { ...form, decision: "perhaps" },
    { decision: "connect", state: "good" },
    { ...form, decision: "connect", state: "x".repeat(40_000) }
  ])("takes no form like %#", (fields) =>
    Effect.gen(function* () {
      connectionsAsked.length = 0
      assert.strictEqual((yield* post(fields)).status, 400)
      assert.deepStrictEqual(connectionsAsked, [])
    })
  )
})
