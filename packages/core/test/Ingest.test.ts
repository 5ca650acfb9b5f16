import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { IngestJob } from "@devops-mcp/contract/Jobs"
import { ContextId, DeliveryId, DocumentId, EventId, type TenantId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref } from "effect"
import { SqlClient } from "effect/sql"
import { embedderDown, signed, UseCases, whileEmbedder } from "./Fakes.ts"
import { figuresOf, lettersOf, redriven, work } from "./Work.ts"

const push = JSON.stringify({
  ref: "refs/heads/main",
  repository: { full_name: "octo/shop" },
  sender: { login: "mona" },
  head_commit: { message: "Fix the checkout of empty baskets", id: "0123abc" },
  commits: [{ message: "Fix the checkout of empty baskets", id: "0123abc" }]
})

/** A tenant of the test's own and a queue without jobs of other tests. */
const fresh = Effect.gen(function* () {
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
  return yield* freshTenant
})

/** Has a webhook receive a push; answers the id that its event will have. */
const pushed = Effect.gen(function* () {
  const tenantId = yield* fresh
  const webhooks = yield* Webhooks
  const { secret, webhook } = yield* webhooks.create(tenantId, { source: "github", name: "ours" })
  const headers = yield* signed(secret, push, "d-1", "push")
  const { deliveryId } = yield* webhooks.receive(webhook.id, headers, push)
  return { tenantId, eventId: EventId.make(deliveryId) }
})

/** Takes the next delivery's job off its queue without running it. */
const takenJob = Effect.gen(function* () {
  const queue = yield* JobQueue
  const taken = yield* Deferred.make<{ readonly job: IngestJob; readonly metadata: JobMetadata }>()
  yield* queue.take("deliveries", {
    run: (job, metadata) => (job._tag === "RunTask" ? Effect.void : Deferred.succeed(taken, { job, metadata }))
  })
  return yield* Deferred.await(taken)
})

const statusOf = (tenantId: TenantId, eventId: EventId) =>
  Effect.flatMap(EventRepository, (events) => events.get(tenantId, eventId)).pipe(
    Effect.map((event): string => event.status),
    Effect.catchTag("@devops-mcp/domain/Errors/NotFound", () => Effect.succeed("none"))
  )

const found = (tenantId: TenantId, query: string) =>
  Effect.flatMap(Knowledge, (knowledge) => knowledge.search(tenantId, { query, mode: "keyword" })).pipe(
    Effect.map(({ items }) => items.map((item) => item.ref))
  )

const passages = (tenantId: TenantId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly text: string }>`select text from chunks where tenant_id = ${tenantId} order by position`
  ).pipe(Effect.map((rows) => rows.map((row) => row.text)))

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("Ingest", (it) => {
  it.effect("makes an event of a delivery and has it found", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      assert.strictEqual(yield* statusOf(tenantId, eventId), "none")
      yield* work("deliveries")
      const event = yield* (yield* EventRepository).get(tenantId, eventId)
      assert.deepInclude(event, { type: "push", repository: "octo/shop", actor: "mona", status: "processed" })
      assert.strictEqual(event.deliveryId, DeliveryId.make(eventId))
      assert.deepStrictEqual(yield* found(tenantId, "checkout"), [`event://${eventId}`])
      const [hit] = (yield* (yield* Knowledge).search(tenantId, {
        query: "baskets",
        filter: { repository: "octo/shop" }
      })).items
      assert.deepInclude(hit?.metadata, { source: "github", type: "push", actor: "mona" })
    })
  )

  it.effect("takes effect once when a job runs again, or many times at once", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const ingest = yield* Ingest
      const { job, metadata } = yield* takenJob
      yield* Effect.replicateEffect(ingest.run(job, metadata), 4, { concurrency: "unbounded" })
      const before = yield* passages(tenantId)
      assert.isNotEmpty(before)
      const sql = yield* SqlClient.SqlClient
      yield* sql`delete from chunks where tenant_id = ${tenantId}`
      yield* ingest.run(job, metadata)
      assert.deepStrictEqual(yield* passages(tenantId), [])
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
    })
  )

  it.effect("a job that failed in the middle has no effect, and all of it when it runs again", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      yield* whileEmbedder(Effect.fail(embedderDown), work("deliveries"))
      assert.strictEqual(yield* statusOf(tenantId, eventId), "received")
      assert.deepStrictEqual(yield* passages(tenantId), [])
      yield* work("deliveries")
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
      assert.isNotEmpty(yield* passages(tenantId))
    })
  )

  it.effect("an event whose job is given up has failed, and is processed after a redrive", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      yield* whileEmbedder(Effect.fail(embedderDown), Effect.andThen(work("deliveries"), work("deliveries")))
      assert.strictEqual(yield* statusOf(tenantId, eventId), "failed")
      const [letter] = yield* lettersOf(tenantId, "deliveries")
      assert.include(letter?.error, embedderDown.message)
      assert.strictEqual(yield* redriven(tenantId, "deliveries", `delivery:${eventId}`), 1)
      yield* work("deliveries")
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
      assert.deepStrictEqual(yield* found(tenantId, "checkout"), [`event://${eventId}`])
    })
  )

  it.effect("an event stays received as long as its job is only put off, however many attempts that takes", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const outage = new EmbedderError({
        operation: "embed",
        retryable: true,
        outage: true,
        cause: "The circuit is open"
      })
      yield* whileEmbedder(Effect.fail(embedderDown), work("deliveries"))
      // From here on each attempt is the last one.
      for (let put = 0; put < 3; put++) {
        yield* whileEmbedder(Effect.fail(outage), work("deliveries"))
        assert.strictEqual(yield* statusOf(tenantId, eventId), "received")
      }
      assert.deepStrictEqual(yield* lettersOf(tenantId, "deliveries"), [])
      yield* work("deliveries")
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
    })
  )

  it.effect("an event has failed, and a document, whose job ended its worker in each attempt", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const { id } = yield* (yield* Knowledge).addDocument(tenantId, { title: "t", text: "x" })
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`update jobs set attempts = 2`)
      const unrun = Effect.die(new Error("It was run again"))
      yield* whileEmbedder(unrun, Effect.andThen(work("deliveries"), work("documents")))
      assert.strictEqual(yield* statusOf(tenantId, eventId), "failed")
      assert.strictEqual((yield* (yield* DocumentRepository).get(tenantId, id)).status, "failed")
      for (const queue of ["deliveries", "documents"] as const) {
        assert.include((yield* lettersOf(tenantId, queue))[0]?.error, "stopped without an answer")
      }
    })
  )

  it.effect("shows an attempt that ended by a bug as well", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const bug = Effect.die(new Error("a bug"))
      yield* whileEmbedder(bug, work("deliveries"))
      assert.strictEqual(yield* statusOf(tenantId, eventId), "received")
      yield* whileEmbedder(bug, work("deliveries"))
      assert.strictEqual(yield* statusOf(tenantId, eventId), "failed")
      assert.strictEqual(yield* redriven(tenantId, "deliveries", `delivery:${eventId}`), 1)
      yield* work("deliveries")
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
    })
  )

  it.effect("a late failure does not take back what another worker has processed", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const ingest = yield* Ingest
      const { job, metadata } = yield* takenJob
      yield* ingest.run(job, metadata)
      const late = whileEmbedder(Effect.fail(embedderDown), ingest.run(job, metadata))
      assert.strictEqual(yield* Effect.flip(late), embedderDown)
      yield* ingest.givenUp(job)
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
    })
  )

  it.effect("an interrupted attempt leaves no mark", () =>
    Effect.gen(function* () {
      const { eventId, tenantId } = yield* pushed
      const { job, metadata } = yield* takenJob
      const ingest = yield* Ingest
      const embedding = yield* Deferred.make<void>()
      const hang = Effect.andThen(Deferred.succeed(embedding, undefined), Effect.never)
      yield* whileEmbedder(
        hang,
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(ingest.run(job, metadata))
          yield* Deferred.await(embedding)
          yield* Fiber.interrupt(fiber)
        })
      )
      assert.strictEqual(yield* statusOf(tenantId, eventId), "none")
      yield* ingest.run(job, metadata)
      assert.strictEqual(yield* statusOf(tenantId, eventId), "processed")
    })
  )

  it.effect("takes documents in, and says when one is given up", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const [knowledge, documents] = [yield* Knowledge, yield* DocumentRepository]
      const added = { title: "Runbook", text: "Restart the gateway.\n\nThen drain the pool." }
      const { id, status } = yield* knowledge.addDocument(tenantId, added)
      assert.strictEqual(status, "pending")
      yield* whileEmbedder(Effect.fail(embedderDown), work("documents"))
      assert.strictEqual((yield* documents.get(tenantId, id)).status, "pending")
      yield* whileEmbedder(Effect.fail(embedderDown), work("documents"))
      assert.strictEqual((yield* documents.get(tenantId, id)).status, "failed")
      assert.strictEqual(yield* redriven(tenantId, "documents", `document:${id}`), 1)
      yield* work("documents")
      assert.strictEqual((yield* documents.get(tenantId, id)).status, "ready")
      // Another worker that gave it up meanwhile comes too late.
      yield* (yield* Ingest).givenUp(IngestJob.cases.IngestDocument.make({ tenantId, documentId: id }))
      assert.strictEqual((yield* documents.get(tenantId, id)).status, "ready")
      assert.deepStrictEqual(yield* passages(tenantId), ["Runbook", "Restart the gateway.", "Then drain the pool."])
      yield* knowledge.deleteDocument(tenantId, id)
      assert.deepStrictEqual(yield* passages(tenantId), [])
    })
  )

  it.effect("work for what was deleted meanwhile is done, not failed", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const [knowledge, contexts] = [yield* Knowledge, yield* AgentContexts]
      const context = yield* contexts.create(tenantId, { name: "c" })
      yield* contexts.append(tenantId, context.id, { items: [{ role: "user", content: "hello" }] })
      yield* (yield* ContextRepository).delete(tenantId, context.id)
      const document = yield* knowledge.addDocument(tenantId, { title: "t", text: "x" })
      yield* knowledge.deleteDocument(tenantId, document.id)
      for (const queue of ["contexts", "documents"] as const) {
        assert.deepInclude(yield* figuresOf(tenantId, queue), { depth: 1 })
        yield* work(queue)
        assert.deepInclude(yield* figuresOf(tenantId, queue), { depth: 0, inFlight: 0, deadLetters: 0 })
      }
      assert.deepStrictEqual(yield* passages(tenantId), [])
      const ingest = yield* Ingest
      const metadata: JobMetadata = { id: "x", attempt: 1 }
      const cases = [
        IngestJob.cases.IngestDelivery.make({ tenantId, deliveryId: freshId(DeliveryId) }),
        IngestJob.cases.IngestDocument.make({ tenantId, documentId: freshId(DocumentId) }),
        IngestJob.cases.IndexContext.make({ tenantId, contextId: freshId(ContextId), fromSeq: 1, toSeq: 2 })
      ]
      yield* Effect.forEach(cases, (job) => Effect.andThen(ingest.run(job, metadata), ingest.givenUp(job)))
    })
  )

  it.effect("a document that is deleted while it is read is not found afterwards", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const [knowledge, deleted] = [yield* Knowledge, yield* Ref.make(false)]
      const { id } = yield* knowledge.addDocument(tenantId, { title: "Secret", text: "plans" })
      const meanwhile = knowledge
        .deleteDocument(tenantId, id)
        .pipe(Effect.andThen(Ref.set(deleted, true)), Effect.orDie)
      yield* whileEmbedder(meanwhile, work("documents"))
      assert.isTrue(yield* Ref.get(deleted))
      assert.deepStrictEqual(yield* passages(tenantId), [])
    })
  )

  it.effect("nor is a context", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const [contexts, deleted] = [yield* AgentContexts, yield* Ref.make(false)]
      const { id } = yield* contexts.create(tenantId, { name: "c" })
      yield* contexts.append(tenantId, id, { items: [{ role: "user", content: "secret plans" }] })
      const meanwhile = contexts.delete(tenantId, id).pipe(Effect.andThen(Ref.set(deleted, true)), Effect.orDie)
      yield* whileEmbedder(meanwhile, work("contexts"))
      assert.isTrue(yield* Ref.get(deleted))
      assert.deepStrictEqual(yield* passages(tenantId), [])
    })
  )

  it.effect("makes the items of a context searchable, the asked ones and no other", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const contexts = yield* AgentContexts
      const { id } = yield* contexts.create(tenantId, { name: "c" })
      const append = (...contents: ReadonlyArray<string>) =>
        contexts.append(tenantId, id, { items: contents.map((content) => ({ role: "user", content })) })
      yield* append("apples\n\npears", "plums")
      yield* append("cherries")
      yield* work("contexts")
      assert.deepStrictEqual(yield* passages(tenantId), ["apples", "pears", "plums"])
      yield* work("contexts")
      assert.deepStrictEqual(yield* passages(tenantId), ["apples", "pears", "plums", "cherries"])
      const { items } = yield* contexts.search(tenantId, id, { query: "plums" })
      assert.deepInclude(items[0], { seq: 2, role: "user", text: "plums" })
    })
  )
})
