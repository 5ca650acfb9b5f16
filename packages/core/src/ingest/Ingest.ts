import { IngestJob } from "@devops-mcp/contract/Jobs"
import type { ContextItem } from "@devops-mcp/domain/AgentContext"
import type { NotFound } from "@devops-mcp/domain/Errors"
import type { Event, EventFacts, EventStatus } from "@devops-mcp/domain/Event"
import { ChunkId, EventId, type TenantId } from "@devops-mcp/domain/Ids"
import type { SearchKind } from "@devops-mcp/domain/Search"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { Cause, Context, DateTime, Effect, Layer } from "effect"
import { Change, Changes } from "../changes/Changes.ts"
import { makeNewId } from "../NewId.ts"
import { Chunker } from "../ports/Chunker.ts"
import { ContextRepository } from "../ports/ContextRepository.ts"
import type { CursorError } from "../ports/Cursor.ts"
import { DocumentRepository } from "../ports/DocumentRepository.ts"
import { Embedder, type EmbedderError } from "../ports/Embedder.ts"
import { EventRepository } from "../ports/EventRepository.ts"
import { IdempotencyRepository } from "../ports/IdempotencyRepository.ts"
import type { JobMetadata } from "../ports/JobQueue.ts"
import { type Chunk, SearchIndex } from "../ports/SearchIndex.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { WebhookAdapters } from "../ports/WebhookAdapter.ts"
import type { ObjectStoreError } from "../ports/ObjectStore.ts"
import { WebhookRepository } from "../ports/WebhookRepository.ts"
import { makePayloads } from "../webhooks/Payloads.ts"

type IngestError = NotFound | CursorError | StoreError | EmbedderError | ObjectStoreError

/** Room between two items of a context for the passages of the first. */
const passagesPerItem = 10_000

const eventMetadata = (event: Event): Chunk["metadata"] => ({
  source: event.source,
  type: event.type,
  ...(event.action === undefined ? {} : { action: event.action }),
  ...(event.repository === undefined ? {} : { repository: event.repository }),
  ...(event.actor === undefined ? {} : { actor: event.actor }),
  title: event.title
})

/**
 * Makes accepted things searchable. A job may be delivered again at any moment; its effect is written in one transaction
 * together with its idempotency row, so it takes effect exactly once.
 */
export class Ingest extends Context.Service<
  Ingest,
  {
    readonly run: (job: IngestJob, metadata: JobMetadata) => Effect.Effect<void, IngestError>
    /** Shows that a job will not be tried again by the status of what it is about. */
    readonly givenUp: (job: IngestJob) => Effect.Effect<void, IngestError>
  }
>()("@devops-mcp/core/ingest/Ingest") {
  static readonly layer = Layer.effect(
    Ingest,
    Effect.gen(function* () {
      const webhooks = yield* WebhookRepository
      const adapters = yield* WebhookAdapters
      const events = yield* EventRepository
      const documents = yield* DocumentRepository
      const contexts = yield* ContextRepository
      const index = yield* SearchIndex
      const idempotency = yield* IdempotencyRepository
      const transactions = yield* Transactions
      const embedder = yield* Embedder
      const chunker = yield* Chunker
      const changes = yield* Changes
      const payloads = yield* makePayloads
      const newId = yield* makeNewId

      const listChanged = (tenantId: TenantId) => changes.announce(Change.cases.ResourcesChanged.make({ tenantId }))

      const updated = (tenantId: TenantId, uri: string) =>
        changes.announce(Change.cases.ResourceUpdated.make({ tenantId, uri }))

      const passagesOf = (
        kind: SearchKind,
        refId: string,
        text: string,
        metadata: Chunk["metadata"],
        firstPosition: number
      ) =>
        Effect.forEach(chunker.chunk(text), (passage, offset) =>
          Effect.map(newId(ChunkId), (id): Chunk => ({
            id,
            kind,
            refId,
            position: firstPosition + offset,
            text: passage,
            metadata
          }))
        )

      const embed = Effect.fnUntraced(function* (chunks: ReadonlyArray<Chunk>) {
        if (chunks.length === 0) return []
        const embeddings = yield* embedder.embed(chunks.map((chunk) => chunk.text))
        return chunks.map((chunk, position) => ({ ...chunk, embedding: embeddings[position] ?? [] }))
      })

      /** Writes the effect unless this job has had it already; answers whether it did. */
      const once = <A, E>(tenantId: TenantId, metadata: JobMetadata, effect: Effect.Effect<A, E>) =>
        transactions.run(
          tenantId,
          Effect.gen(function* () {
            const first = yield* idempotency.claim(tenantId, metadata.id, yield* DateTime.now)
            if (first) yield* effect
            return first
          })
        )

      const factsOf = (delivery: Delivery): EventFacts => {
        const adapter = adapters.get(delivery.source)
        if (adapter === undefined) throw new Error(`No adapter for the source ${delivery.source}`)
        return adapter.normalise(delivery)
      }

      const eventOf = Effect.fnUntraced(function* ({
        deliveryId,
        tenantId
      }: typeof IngestJob.cases.IngestDelivery.Type) {
        const delivery = yield* payloads.load(yield* webhooks.getDelivery(tenantId, deliveryId))
        const facts = yield* Effect.sync(() => factsOf(delivery))
        return (status: EventStatus): Event => ({
          ...facts,
          // One delivery makes one event, so it has the delivery's id, whichever attempt writes it.
          id: EventId.make(delivery.id),
          source: delivery.source,
          deliveryId: delivery.id,
          receivedAt: delivery.receivedAt,
          status
        })
      })

      const eventChanged = ({ deliveryId, tenantId }: typeof IngestJob.cases.IngestDelivery.Type) =>
        Effect.andThen(listChanged(tenantId), updated(tenantId, `event://${deliveryId}`))

      const ingestDelivery = Effect.fn("Ingest.delivery")(function* (
        job: typeof IngestJob.cases.IngestDelivery.Type,
        metadata: JobMetadata
      ) {
        const { tenantId } = job
        const event = yield* eventOf(job)
        const take = Effect.gen(function* () {
          const processed = event("processed")
          const text = `${processed.title}\n\n${processed.summary}`
          const chunks = yield* embed(yield* passagesOf("event", processed.id, text, eventMetadata(processed), 0))
          return yield* once(
            tenantId,
            metadata,
            Effect.andThen(events.upsert(tenantId, processed), index.put(tenantId, embedder.model, chunks))
          )
        })
        // Readers see the event from its first failed attempt on; the attempt's own error stays the job's.
        const received = Effect.andThen(events.upsert(tenantId, event("received")), eventChanged(job))
        const first = yield* Effect.tapCause(take, (cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.ignore(received, { log: true })
        )
        if (first) yield* eventChanged(job)
      })

      const failDelivery = Effect.fn("Ingest.failDelivery")(function* (
        job: typeof IngestJob.cases.IngestDelivery.Type
      ) {
        yield* events.upsert(job.tenantId, (yield* eventOf(job))("failed"))
        yield* eventChanged(job)
      })

      const documentChanged = ({ documentId, tenantId }: typeof IngestJob.cases.IngestDocument.Type) =>
        updated(tenantId, `document://${documentId}`)

      const ingestDocument = Effect.fn("Ingest.document")(function* (
        job: typeof IngestJob.cases.IngestDocument.Type,
        metadata: JobMetadata
      ) {
        const { documentId, tenantId } = job
        const take = Effect.gen(function* () {
          const document = yield* documents.get(tenantId, documentId)
          const own =
            document.uri === undefined
              ? { title: document.title }
              : {
                  title: document.title,
                  uri: document.uri
                }
          const text = `${document.title}\n\n${document.text}`
          const chunks = yield* embed(
            yield* passagesOf("document", documentId, text, { ...document.metadata, ...own }, 0)
          )
          return yield* once(
            tenantId,
            metadata,
            Effect.andThen(
              index.put(tenantId, embedder.model, chunks),
              documents.setStatus(tenantId, documentId, "ready")
            )
          )
        })
        if (yield* take) yield* documentChanged(job)
      })

      const failDocument = Effect.fn("Ingest.failDocument")(function* (
        job: typeof IngestJob.cases.IngestDocument.Type
      ) {
        const { documentId, tenantId } = job
        // Another worker may have done what this one gives up.
        if ((yield* documents.get(tenantId, documentId)).status === "ready") return
        yield* documents.setStatus(tenantId, documentId, "failed")
        yield* documentChanged(job)
      })

      const indexContext = Effect.fn("Ingest.context")(function* (
        job: typeof IngestJob.cases.IndexContext.Type,
        metadata: JobMetadata
      ) {
        const { contextId, tenantId } = job
        const isAsked = (item: ContextItem) => item.seq >= job.fromSeq && item.seq <= job.toSeq
        const items = (yield* contexts.allItems(tenantId, contextId)).filter(isAsked)
        const chunks = yield* Effect.forEach(items, (item) =>
          passagesOf("context", contextId, item.content, { seq: item.seq, role: item.role }, item.seq * passagesPerItem)
        )
        const embedded = yield* embed(chunks.flat())
        yield* once(
          tenantId,
          metadata,
          // Asked again, for it may have been deleted while its items were embedded.
          Effect.andThen(contexts.get(tenantId, contextId), index.put(tenantId, embedder.model, embedded))
        )
      })

      /** What has been deleted since needs no work. */
      const isGone = (error: NotFound) => Effect.logInfo(error.message)

      const run = Effect.fn("Ingest.run")((job: IngestJob, metadata: JobMetadata) =>
        IngestJob.match(job, {
          IngestDelivery: (case_) => ingestDelivery(case_, metadata),
          IngestDocument: (case_) => ingestDocument(case_, metadata),
          IndexContext: (case_) => indexContext(case_, metadata)
        }).pipe(Effect.catchTag("@devops-mcp/domain/Errors/NotFound", isGone))
      )

      const givenUp = Effect.fn("Ingest.givenUp")((job: IngestJob) =>
        IngestJob.match(job, {
          IngestDelivery: failDelivery,
          IngestDocument: failDocument,
          // A context has no status.
          IndexContext: () => Effect.void
        }).pipe(Effect.catchTag("@devops-mcp/domain/Errors/NotFound", isGone))
      )

      return Ingest.of({ run, givenUp })
    })
  )
}
