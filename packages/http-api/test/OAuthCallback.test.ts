import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { UrlParams } from "effect/http"
import { Acts } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

/** What a provider sends in the address; neither logs nor spans show it. */
const code = "authorization-code-of-somebody"
globalThis.runWatch?.guard("an authorization code", code)

layer(TestServer, { excludeTestServices: true })("GET /oauth/callback", (it) => {
  it.effect("needs no credential, and says for whom the account was connected", () =>
    Effect.gen(function* () {
      const answer = yield* send("GET", `/oauth/callback?state=good&code=${code}`).pipe(
        // The test's own client traces too.
        Effect.provideService(UrlParams.CurrentRedactedNames, ["code"])
      )
      assert.strictEqual(answer.status, 200)
      assert.match(answer.headers["content-type"] ?? "", /^text\/html/)
      assert.include(answer.text, "&lt;b&gt;build&lt;/b&gt;")
      assert.notMatch(answer.text, /<b>|<script|<a |<form|http-equiv/i)
      assert.include(answer.headers["content-security-policy"] ?? "", "default-src 'none'")
      assert.strictEqual(answer.headers["cache-control"], "no-store")
      assert.strictEqual(answer.headers["referrer-policy"], "no-referrer")
      assert.isUndefined(answer.headers["location"])
      const act = (yield* Acts).at(-1)
      assert.deepInclude(act, { action: "connections.complete", outcome: "ok" })
    })
  )

  it.effect("says what went wrong, and puts it on record where it is known for whom", () =>
    Effect.gen(function* () {
      const refused = yield* send("GET", "/oauth/callback?state=refused&error=access_denied")
      assert.strictEqual(refused.status, 400)
      assert.include(refused.text, "It refused: access_denied")
      assert.deepInclude((yield* Acts).at(-1), { action: "connections.complete", outcome: "failed" })
      const before = (yield* Acts).length
      assert.strictEqual((yield* send("GET", "/oauth/callback?state=unknown")).status, 400)
      assert.strictEqual((yield* send("GET", "/oauth/callback?state=down")).status, 503)
      assert.strictEqual((yield* Acts).length, before)
    })
  )

  it.effect.each([
    "",
    "?code=abc",
    "?state=",
    `?state=${"x".repeat(2001)}`,
    "?state=good&state=other",
    "?state=good&code="
  ])("takes no answer like %s", (query) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("GET", `/oauth/callback${query}`)).status, 400)
    })
  )
})
