import { apiClient, withIdempotencyKey } from "@devops-mcp/contract/ApiClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { address, makeTeam, Platform, send } from "./permissions/Platform.ts"

const Created = Schema.fromJsonString(Schema.Struct({ id: Schema.String, key: Schema.String }))

const createKey = Effect.fnUntraced(function* (credential: string, idempotencyKey: string) {
  const request = HttpClientRequest.post(`${yield* address}/api/v1/api-keys`).pipe(
    HttpClientRequest.bearerToken(credential),
    HttpClientRequest.setHeader("idempotency-key", idempotencyKey),
    HttpClientRequest.bodyJsonUnsafe({ name: "twin", role: "viewer" })
  )
  const response = yield* HttpClient.execute(request)
  return { status: response.status, headers: response.headers, text: yield* response.text }
})

layer(Platform, { excludeTestServices: true, timeout: "120 seconds" })("Idempotency-Key, on the real stores", (it) => {
  it.effect("of many at once one makes a key, and it is nowhere in the table of answers", () =>
    Effect.gen(function* () {
      const { admin } = yield* makeTeam("alpha")
      const credential = admin.key
      const answers = yield* Effect.forEach(Array.from({ length: 8 }), () => createKey(credential, "once"), {
        concurrency: "unbounded"
      })
      for (const { headers, status } of answers) {
        assert.include([201, 409], status)
        assert.strictEqual(headers["retry-after"], status === 409 ? "1" : undefined)
      }
      const typed = yield* apiClient(yield* address, credential)
      const twin = typed.apiKeys.create({ payload: { name: "twin", role: "viewer" } })
      const byClient = yield* withIdempotencyKey("once")(twin)
      const again = yield* createKey(credential, "once")
      assert.deepStrictEqual([again.status, again.headers["idempotency-replayed"]], [201, "true"])
      for (const { status, text } of answers) if (status === 201) assert.strictEqual(text, again.text)
      const { id, key } = yield* Schema.decodeEffect(Created)(again.text)
      assert.strictEqual(byClient.id, id)
      assert.strictEqual((yield* send({ key }, { method: "GET", path: "/api/v1/me" })).status, 200)

      const sql = yield* SqlClient.SqlClient
      const made = yield* sql`select id from api_keys where name = 'twin'`
      assert.deepStrictEqual(made, [{ id }])
      const kept = yield* sql`select row_to_json(r)::text as row from request_replays r`
      assert.lengthOf(kept, 1)
      assert.include(JSON.stringify(kept), "dms1.")
      assert.notInclude(JSON.stringify(kept), key)
    })
  )
})
