import type { Change } from "@devops-mcp/core/changes/Changes"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { ContextId, type TenantId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { embedderDown, signed, UseCases, whileEmbedder } from "./Fakes.ts"
import { work } from "./Work.ts"

/** A tenant of the test's own, and what has been announced to it since the last time: `+` for the list, else the URI. */
const listening = Effect.gen(function* () {
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
  const tenantId = yield* freshTenant
  const heard: Array<string> = []
  const hear = (change: Change) => {
    if (change.tenantId !== tenantId) return
    if (change._tag === "ResourcesChanged") heard.push("+")
    if (change._tag === "ResourceUpdated") heard.push(change.uri)
  }
  yield* Effect.flatMap(Changes, (changes) => changes.listen(hear))
  return { tenantId, since: () => heard.splice(0) }
})

const pushed = Effect.fnUntraced(function* (tenantId: TenantId) {
  const webhooks = yield* Webhooks
  const { secret, webhook } = yield* webhooks.create(tenantId, { source: "github", name: "ours" })
  const body = JSON.stringify({ zen: "Keep it logically awesome." })
  return (yield* webhooks.receive(webhook.id, yield* signed(secret, body, "d-1", "ping"), body)).deliveryId
})

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("announcements", (it) => {
  it.effect("of contexts: the list when one comes or goes, the context when it changes", () =>
    Effect.gen(function* () {
      const { since, tenantId } = yield* listening
      const contexts = yield* AgentContexts
      const { id } = yield* contexts.create(tenantId, { name: "c" })
      assert.deepStrictEqual(since(), ["+"])
      yield* contexts.append(tenantId, id, {
        items: Array.from({ length: 3 }, () => ({ role: "user", content: "some words ".repeat(100) }))
      })
      assert.deepStrictEqual(since(), [`context://${id}`])
      yield* contexts.update(tenantId, id, { name: "d" })
      assert.deepStrictEqual(since(), [`context://${id}`])
      yield* contexts.compact(tenantId, id, { maxTokens: 1_000_000 })
      assert.deepStrictEqual(since(), [], "Nothing was compacted")
      yield* contexts.compact(tenantId, id, { maxTokens: 300 })
      assert.deepStrictEqual(since(), [`context://${id}`])
      yield* contexts.delete(tenantId, id)
      assert.deepStrictEqual(since(), ["+"])
    })
  )

  it.effect("not of what did not happen", () =>
    Effect.gen(function* () {
      const { since, tenantId } = yield* listening
      const contexts = yield* AgentContexts
      const missing = freshId(ContextId)
      yield* Effect.flip(contexts.append(tenantId, missing, { items: [{ role: "user", content: "x" }] }))
      yield* Effect.flip(contexts.update(tenantId, missing, { name: "x" }))
      yield* Effect.flip(contexts.delete(tenantId, missing))
      assert.deepStrictEqual(since(), [])
    })
  )

  it.effect("of documents, when they come, are searchable, go, or have failed", () =>
    Effect.gen(function* () {
      const { since, tenantId } = yield* listening
      const knowledge = yield* Knowledge
      const { id } = yield* knowledge.addDocument(tenantId, { title: "t", text: "text" })
      assert.deepStrictEqual(since(), ["+"])
      yield* work("documents")
      assert.deepStrictEqual(since(), [`document://${id}`])
      yield* knowledge.deleteDocument(tenantId, id)
      assert.deepStrictEqual(since(), ["+"])
      const bad = yield* knowledge.addDocument(tenantId, { title: "t", text: "text" })
      since()
      yield* whileEmbedder(Effect.fail(embedderDown), work("documents"))
      assert.deepStrictEqual(since(), [], "It will be tried again")
      yield* whileEmbedder(Effect.fail(embedderDown), work("documents"))
      assert.deepStrictEqual(since(), [`document://${bad.id}`])
    })
  )

  it.effect("of events, when they are processed, once, or have failed", () =>
    Effect.gen(function* () {
      const { since, tenantId } = yield* listening
      const id = yield* pushed(tenantId)
      yield* work("deliveries", 3)
      assert.deepStrictEqual(since(), ["+", `event://${id}`])
      const other = yield* pushed(tenantId)
      yield* whileEmbedder(Effect.fail(embedderDown), Effect.andThen(work("deliveries"), work("deliveries")))
      const heard = since()
      assert.deepStrictEqual(heard.slice(-2), ["+", `event://${other}`])
    })
  )
})
