import * as ToolAdapters from "@devops-mcp/adapters/ToolAdapters"
import { WebhookAdaptersLive } from "@devops-mcp/adapters/WebhookAdapters"
import { CacheLive } from "@devops-mcp/cache/CacheLive"
import { CoreLive } from "@devops-mcp/core/Core"
import type { JobAttemptsOptions } from "@devops-mcp/core/jobs/JobAttempts"
import { Cache } from "@devops-mcp/core/ports/Cache"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { databaseUrl } from "@devops-mcp/database/Settings"
import { DatabaseLive, type DatabaseOptions } from "@devops-mcp/database/Database"
import { EmbeddingsLive } from "@devops-mcp/embeddings/EmbeddingsLive"
import { Health } from "@devops-mcp/observability/Health"
import { QueueLive } from "@devops-mcp/queue/QueueLive"
import { StorageLive } from "@devops-mcp/storage/StorageLive"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Option } from "effect"
import * as JwtAccessTokens from "./JwtAccessTokens.ts"
import { LimitsLive } from "./Limits.ts"
import * as OAuthClient from "./OAuthClient.ts"
import { SettingsLive } from "./Settings.ts"
import { PooledRandomLive } from "./PooledRandom.ts"
import { QuickCryptoLive } from "./QuickCrypto.ts"
import { SigningKeyLive } from "./SigningKey.ts"

export interface InfrastructureOptions extends DatabaseOptions {
  /** What the git tool may read when `GIT_ROOTS` is absent. */
  readonly gitRoots: ReadonlyArray<string>
  /** Whether authorization servers may have private and loopback addresses without an administrator's word. */
  readonly allowPrivateNetwork?: boolean
  readonly jobs?: JobAttemptsOptions
}

/** An embedded database has one process at a time, so what an earlier one held is free. */
export const JobQueueLive = (jobs: JobAttemptsOptions = {}) =>
  Layer.unwrap(Effect.map(databaseUrl, (url) => QueueLive({ ...jobs, exclusive: Option.isNone(url) }))).pipe(
    Layer.provide(StorageLive)
  )

/** Without the cache everything still works, with less: what replicas share, they no longer do. */
const CacheHealthLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const cache = yield* Cache
    const health = yield* Health
    yield* health.register({
      name: "cache",
      required: false,
      check: Effect.mapError(cache.get("health"), () => ({ message: "The cache does not answer" }))
    })
  })
)

/** Without it large results and deliveries are refused, and nothing else. */
const ObjectsHealthLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const objects = yield* ObjectStore
    const health = yield* Health
    yield* health.register({
      name: "objects",
      required: false,
      check: Effect.mapError(objects.get("health"), () => ({ message: "The object store does not answer" }))
    })
  })
)

/** Every use-case on its real ports: what each of the programs is built on. */
export const InfrastructureLive = ({
  allowPrivateNetwork = false,
  gitRoots,
  jobs,
  ...database
}: InfrastructureOptions) =>
  Layer.mergeAll(CoreLive, CacheHealthLive, ObjectsHealthLive, LimitsLive).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        JobQueueLive(jobs),
        JwtAccessTokens.layer,
        OAuthClient.layerWith({ allowPrivateNetwork }),
        CacheLive,
        EmbeddingsLive,
        SigningKeyLive,
        StorageLive,
        ToolAdapters.layerWith({ gitRoots }),
        WebhookAdaptersLive
      )
    ),
    Layer.provideMerge(DatabaseLive(database)),
    Layer.provideMerge(
      Layer.mergeAll(Health.layer, NodeServices.layer, NodeCrypto.layer, PooledRandomLive, QuickCryptoLive)
    ),
    Layer.provideMerge(SettingsLive)
  )
