import { assert, layer } from "@effect/vitest"
import { specTypeSchemas } from "@modelcontextprotocol/server"
import { Effect, Predicate } from "effect"
import { legacy, messageOf, modern, requestId, rowsOf, single, transports } from "./Conversations.ts"
import { EveryTransport } from "./TestServer.ts"

/** Every method that the schema of the protocol has, in either direction and any revision. */
const methods = [
  ...new Set(
    Object.values(specTypeSchemas).flatMap((schema: unknown) => {
      const shape = Predicate.hasProperty(schema, "shape") ? schema.shape : undefined
      const method = Predicate.hasProperty(shape, "method") ? shape.method : undefined
      return Predicate.hasProperty(method, "value") && typeof method.value === "string" ? [method.value] : []
    })
  ),
  "tasks/update",
  "notifications/tasks"
]

/** Requests that succeed here; all others are refused or fail, for the fakes know next to nothing. */
const successes: Readonly<Record<string, ReadonlyArray<string>>> = {
  [modern]: ["server/discover", "subscriptions/listen", "tools/list"],
  [legacy]: ["initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe", "tools/list"]
}

const isNotification = (method: string) => method.startsWith("notifications/")

layer(EveryTransport, { excludeTestServices: true })("every message of the protocol", (it) => {
  for (const [name, connect] of Object.entries(transports)) {
    for (const revision of [modern, legacy]) {
      it.effect(`is on record once over ${name}, ${revision}`, () =>
        Effect.gen(function* () {
          const conversation = yield* connect(revision)
          const ok = successes[revision] ?? []
          let id = 1
          for (const method of [...methods, "made/up", "notifications/made_up"]) {
            const act = single(yield* rowsOf(conversation, messageOf(method, id++, revision)), method)
            // The call is of a tool that there is not.
            const isKnown = methods.includes(method) && method !== "tools/call"
            assert.strictEqual(act.action, `mcp.${isKnown ? method : "unknown"}`)
            assert.strictEqual(act.outcome, isNotification(method) || ok.includes(method) ? "ok" : "failed", method)
            if (conversation.namesRequests) assert.strictEqual(act.requestId, requestId, method)
            else assert.match(act.requestId, /^[0-9a-f]{8}-/, method)
          }
        })
      )
    }
  }
})
