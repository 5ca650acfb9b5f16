import { makeOutbox } from "@devops-mcp/queue/sqs/Outbox"
import { outboxWindow } from "@devops-mcp/resilience/JobPolicies"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Array, Duration, Effect } from "effect"

layer(TestDatabase)("The outbox of Amazon SQS", (it) => {
  it.effect("tells what is to be sent in its order, however many digits its numbers have", () =>
    Effect.gen(function* () {
      const outbox = yield* makeOutbox
      const ids = Array.makeBy(outboxWindow + 20, (index) => `job-${index}`)
      yield* Effect.forEach(ids, (id) =>
        outbox.add({
          queue: "deliveries",
          id,
          group: "group",
          content: "{}",
          traceparent: undefined,
          delay: Duration.zero
        })
      )
      const rows = yield* outbox.unsent
      assert.deepStrictEqual(
        rows.map(({ id }) => id),
        ids.slice(0, outboxWindow)
      )
    })
  )
})
