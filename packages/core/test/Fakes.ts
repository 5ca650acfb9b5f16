import { WebhookAdaptersLive } from "@devops-mcp/adapters/WebhookAdapters"
import * as BusMemory from "@devops-mcp/cache/BusMemory"
import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { CoreLive } from "@devops-mcp/core/Core"
import { scopesOf } from "@devops-mcp/core/Policy"
import { AccessTokens } from "@devops-mcp/core/ports/AccessTokens"
import { Chunker } from "@devops-mcp/core/ports/Chunker"
import { Embedder, EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { OAuthClient } from "@devops-mcp/core/ports/OAuthClient"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { ToolAdapters } from "@devops-mcp/core/ports/ToolAdapter"
import type { WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ApiKeyId, type TenantId } from "@devops-mcp/domain/Ids"
import type { Principal, Role } from "@devops-mcp/domain/Principal"
import * as TokenCounter from "@devops-mcp/embeddings/TokenCounter"
import { PostgresJobQueue } from "@devops-mcp/queue/PostgresJobQueue"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, Duration, Effect, Layer, Option, Redacted, Ref, References, Schedule } from "effect"
import { sign } from "@octokit/webhooks-methods"

const dimensions = 32

/** Words become numbers, texts with the same words become near: enough meaning to test a search with. */
const vectorOf = (text: string): ReadonlyArray<number> => {
  const vector = Array.from({ length: dimensions }, () => 0)
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? [""]) {
    let hash = 7
    for (const character of word) hash = (hash * 31 + character.charCodeAt(0)) % 65_521
    vector[hash % dimensions]! += 1
  }
  const length = Math.hypot(...vector)
  return vector.map((number) => number / length)
}

/** What the embedder does instead of its work; nothing as long as it is void. */
export class EmbedderFault extends Context.Service<EmbedderFault, Ref.Ref<Effect.Effect<void, EmbedderError>>>()(
  "@devops-mcp/core/test/Fakes/EmbedderFault"
) {
  static readonly layer = Layer.effect(EmbedderFault, Ref.make<Effect.Effect<void, EmbedderError>>(Effect.void))
}

export const embedderDown = new EmbedderError({ operation: "embed", retryable: true, cause: new Error("down") })

/** Runs an effect while every call of the embedder begins with another. */
export const whileEmbedder = <A, E, R>(fault: Effect.Effect<void, EmbedderError>, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(EmbedderFault, (ref) =>
    Effect.acquireUseRelease(
      Ref.set(ref, fault),
      () => effect,
      () => Ref.set(ref, Effect.void)
    )
  )

const EmbedderFake = Layer.effect(
  Embedder,
  Effect.map(EmbedderFault, (fault) =>
    Embedder.of({
      model: "fake",
      dimensions,
      embed: (texts) =>
        Effect.andThen(
          Effect.flatten(Ref.get(fault)),
          Effect.sync(() => texts.map(vectorOf))
        )
    })
  )
)

/** One passage a paragraph. */
const ChunkerFake = Layer.succeed(Chunker, {
  chunk: (text) =>
    text
      .split("\n\n")
      .map((passage) => passage.trim())
      .filter((passage) => passage !== "")
})

/** Objects in memory, by their keys. */
export class Objects extends Context.Service<Objects, Map<string, Uint8Array>>()(
  "@devops-mcp/core/test/Fakes/Objects"
) {
  static readonly layer = Layer.sync(Objects, () => new Map())
}

export const ObjectStoreFake = Layer.effect(
  ObjectStore,
  Effect.map(Objects, (objects) =>
    ObjectStore.of({
      put: (key, body) => Effect.sync(() => void objects.set(key, body)),
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(objects.get(key))),
      delete: (key) => Effect.sync(() => void objects.delete(key))
    })
  )
)

/** The real queue, with two attempts and no waiting. */
const Jobs = PostgresJobQueue({
  exclusive: true,
  attempts: 2,
  retry: Schedule.spaced(0),
  outageDelay: () => Duration.zero,
  pollInterval: Duration.millis(10)
})

/** Every use-case on a real database and queue and the real counter of tokens; only the model is a fake. */
export const UseCases = CoreLive.pipe(
  Layer.provideMerge(Jobs),
  Layer.provideMerge(Layer.mergeAll(RepositoriesLive, EmbedderFake, ChunkerFake, TokenCounter.layer)),
  Layer.provideMerge(
    Layer.mergeAll(
      TestDatabase,
      TestSigningKey,
      BusMemory.layer,
      ObjectStoreFake.pipe(Layer.provideMerge(Objects.layer)),
      CacheMemory.layer,
      EmbedderFault.layer,
      AccessTokens.layerRefusing,
      WebhookAdaptersLive.pipe(Layer.provide(NodeCrypto.layer)),
      Layer.mock(OAuthClient, {}),
      Layer.succeed(ToolAdapters, new Map()),
      NodeCrypto.layer,
      Layer.succeed(References.MinimumLogLevel, "None")
    )
  )
)

/** A caller with a role in a tenant. */
export const principalOf = (tenantId: TenantId, role: Role): Principal => ({
  tenantId,
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: role,
  role,
  scopes: scopesOf(role)
})

/** The headers of a GitHub delivery. */
export const signed = (secret: Redacted.Redacted, body: string, delivery: string, event = "ping") =>
  Effect.map(
    Effect.promise(() => sign(Redacted.value(secret), body)),
    (signature): WebhookHeaders => ({
      "x-hub-signature-256": signature,
      "x-github-delivery": delivery,
      "x-github-event": event
    })
  )
