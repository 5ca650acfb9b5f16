import { Job } from "@devops-mcp/contract/Jobs"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { Retention } from "@devops-mcp/core/retention/Retention"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DocumentId } from "@devops-mcp/domain/Ids"
import { Health } from "@devops-mcp/observability/Health"
import { PostgresJobQueue } from "@devops-mcp/queue/PostgresJobQueue"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { WorkerLive } from "@devops-mcp/worker/Worker"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"

const Queues = DeadLetters.layer.pipe(
  Layer.provideMerge(PostgresJobQueue({ exclusive: true })),
  Layer.provideMerge(Layer.merge(RepositoriesLive, NodeCrypto.layer)),
  Layer.provide(TestDatabase)
)

const config = ConfigProvider.layer(ConfigProvider.fromUnknown({ WORKER_CONCURRENCY: "1" }))

layer(Queues, { excludeTestServices: true, timeout: "60 seconds" })("Worker on Postgres", (it) => {
  it.effect("a job that ends while the worker stops is done, and the next one stays for another worker", () =>
    Effect.gen(function* () {
      const [queue, tenantId] = [yield* JobQueue, yield* freshTenant]
      const job = Job.cases.IngestDocument.make({ tenantId, documentId: freshId(DocumentId) })
      const figures = Effect.flatMap(DeadLetters, (letters) =>
        Effect.map(letters.queues(tenantId), (all) => all.find(({ name }) => name === "documents"))
      )
      const [begun, finish] = [yield* Deferred.make<string>(), yield* Deferred.make<void>()]
      const ingest = Layer.mock(Ingest, {
        run: (_, { id }) => Effect.andThen(Deferred.succeed(begun, id), Deferred.await(finish))
      })
      const keeping = Layer.mock(Retention, { upkeep: () => Effect.never })
      const tasks = Layer.mock(Tasks, { sweep: Effect.void })
      const trail = Layer.mock(AuditTrail, { upkeep: () => Effect.succeed([]) })
      const replays = Layer.mock(RequestReplays, { sweep: Effect.void })
      const scope = yield* Scope.make()
      yield* Layer.build(
        WorkerLive.pipe(Layer.provide([ingest, tasks, trail, replays, keeping, config, Health.layer]))
      ).pipe(Scope.provide(scope))
      yield* queue.offer(job, { id: "running" })
      assert.strictEqual(yield* Deferred.await(begun), "running")
      yield* queue.offer(job, { id: "next" })
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(stopping)
      assert.deepInclude(yield* figures, { depth: 1, inFlight: 0, deadLetters: 0 })
      const left = yield* Deferred.make<unknown>()
      yield* queue.take("documents", { run: (_, metadata) => Deferred.succeed(left, metadata) })
      assert.deepInclude(yield* Deferred.await(left), { id: "next", attempt: 1 })
      assert.deepInclude(yield* figures, { depth: 0, inFlight: 0, deadLetters: 0 })
    })
  )
})
