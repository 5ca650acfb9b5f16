import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { generateApiKey } from "@devops-mcp/core/access/ApiKeySecret"
import { Bootstrap } from "@devops-mcp/core/access/Bootstrap"
import { databaseUrl } from "@devops-mcp/database/Settings"
import { HttpApiRoutes } from "@devops-mcp/http-api/HttpApiRoutes"
import { useBootstrapKey } from "@devops-mcp/infrastructure/Bootstrap"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive, type InfrastructureOptions } from "@devops-mcp/infrastructure/Infrastructure"
import { McpRoutes } from "@devops-mcp/mcp-server/McpRoutes"
import { Registries } from "@devops-mcp/mcp-server/edge/Registries"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { WorkerLive } from "@devops-mcp/worker/Worker"
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import { localKey, saveLocalKey } from "./Instance.ts"

/** The API key that was made because there was none; only the process that made it can tell. */
export class FirstKey extends Context.Service<FirstKey, Option.Option<Redacted.Redacted>>()(
  "@devops-mcp/cli/Start/FirstKey"
) {}

/** Lets commands on this machine administer an instance whose database they cannot open beside it. */
const ensureLocalKey = Effect.gen(function* () {
  if (Option.isSome(yield* databaseUrl)) return
  const keys = yield* ApiKeys
  const known = yield* localKey
  const key = Option.isSome(known) ? known.value : yield* generateApiKey
  yield* keys.ensure("commands on this machine", "platform", key)
  if (Option.isNone(known)) yield* saveLocalKey(key)
})

const FirstKeyLive = Layer.effect(
  FirstKey,
  Effect.gen(function* () {
    const bootstrap = yield* Bootstrap
    const first = (yield* useBootstrapKey) ? Option.none() : yield* bootstrap.firstKey
    yield* ensureLocalKey
    return first
  })
)

export interface StartOptions extends Pick<InfrastructureOptions, "gitRoots" | "jobs"> {
  readonly onProgress: (message: string) => Effect.Effect<void>
}

/** All three programs in one process, on one set of layers; it listens once there is a key to call it with. */
export const StartProgram = (options: StartOptions) =>
  Layer.merge(serve(Layer.mergeAll(HttpApiRoutes, McpRoutes, HealthRoutes)), WorkerLive).pipe(
    Layer.provide(Registries.layer),
    Layer.provideMerge(FirstKeyLive),
    Layer.provideMerge(InfrastructureLive({ ...options, allowPrivateNetwork: true, migrations: "run" }))
  )
