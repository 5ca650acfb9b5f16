import { CacheLive } from "@devops-mcp/cache/CacheLive"
import { Embedder } from "@devops-mcp/core/ports/Embedder"
import { ToolAdapters } from "@devops-mcp/core/ports/ToolAdapter"
import * as ToolAdaptersLive from "@devops-mcp/adapters/ToolAdapters"
import * as Client from "@devops-mcp/database/Client"
import { databaseUrl, home } from "@devops-mcp/database/Settings"
import * as Migrations from "@devops-mcp/database/Migrations"
import { EmbeddingsLive } from "@devops-mcp/embeddings/EmbeddingsLive"
import { StorageLive } from "@devops-mcp/storage/StorageLive"
import { type Config, Console, Effect, FileSystem, Layer, Option } from "effect"
import { CommandFailed, describe } from "../Failure.ts"
import { runningInstance } from "../Instance.ts"
import { masterKeySource } from "@devops-mcp/infrastructure/MasterKeySettings"
import { checkSettings } from "@devops-mcp/infrastructure/Settings"

interface Finding {
  readonly name: string
  readonly text: string
  /** Absent when it works. */
  readonly exitCode?: number
  /** It works, and may not do what was meant. */
  readonly isWarning?: boolean
}

const check = <E, R>(name: string, effect: Effect.Effect<string, E, R>): Effect.Effect<Finding, never, R> =>
  Effect.matchCause(effect, {
    onSuccess: (text) => ({ name, text }),
    onFailure: (cause) => {
      const { exitCode, message } = describe(cause)
      return { name, text: message, exitCode }
    }
  })

const built = <A, E, R>(layer: Layer.Layer<A, E, R>, finding: string) =>
  Effect.as(Effect.scoped(Layer.build(layer)), finding)

const embeddedDatabase = Effect.gen(function* () {
  if (Option.isSome(yield* runningInstance)) return "embedded, in use by the running instance"
  const fs = yield* FileSystem.FileSystem
  const folder = yield* home
  if (!(yield* fs.exists(`${folder}/postgres`))) return "embedded, made at the first start"
  return yield* built(Client.layer(), "embedded, opens")
})

const database = Effect.gen(function* () {
  if (Option.isNone(yield* databaseUrl)) return yield* embeddedDatabase
  return yield* Effect.as(Migrations.requireCurrent, "reachable, schema up to date").pipe(
    Effect.provide(Client.layer())
  )
})

const embeddings = Effect.gen(function* () {
  const embedder = yield* Embedder
  yield* embedder.embed(["hello"])
  return `${embedder.model}, ${embedder.dimensions} dimensions`
}).pipe(Effect.provide(EmbeddingsLive))

const tools = Effect.gen(function* () {
  const adapters = yield* ToolAdapters
  const git = adapters.get("git")
  if (git !== undefined) yield* git.health({})
  return "git works"
}).pipe(Effect.provide(ToolAdaptersLive.layerWith({ gitRoots: [process.cwd()] })))

/** With a server for a database there may be several replicas, and each would seal with a key of its own. */
const secrets = Effect.gen(function* (): Effect.fn.Return<Finding, Config.ConfigError> {
  const name = "secrets"
  const { _tag } = yield* masterKeySource
  if (_tag === "Variable") return { name, text: "sealed with ENCRYPTION_KEY" }
  if (_tag === "SecretsManager") return { name, text: "sealed with the key in AWS Secrets Manager" }
  const text = "sealed with the key file in DEVOPS_MCP_HOME"
  if (Option.isNone(yield* databaseUrl)) return { name, text }
  const advice = "replicas elsewhere do not have it; give all the same ENCRYPTION_KEY or SECRETS_MANAGER_PREFIX"
  return { name, text: `${text}: ${advice}`, isWarning: true }
})

const mark = ({ exitCode, isWarning = false }: Finding) =>
  exitCode !== undefined ? "FAIL" : isWarning ? "warn" : "ok  "

const line = (finding: Finding) => `${mark(finding)}  ${finding.name.padEnd(12)} ${finding.text}`

/** Tries every dependency as it is configured and says what is wrong; fails when anything is. */
export const run = Effect.gen(function* () {
  const findings = yield* Effect.all([
    check("node", Effect.succeed(process.version)),
    check("settings", Effect.as(checkSettings, "valid")),
    check("database", database),
    Effect.catch(secrets, (error) => check("secrets", Effect.fail(error))),
    check("cache", built(CacheLive, "works")),
    check("objects", built(StorageLive, "works")),
    check("embeddings", embeddings),
    check("tools", tools)
  ])
  yield* Console.log(findings.map(line).join("\n"))
  const failed = findings.flatMap(({ exitCode }) => exitCode ?? [])
  if (failed.length > 0) {
    return yield* new CommandFailed({
      message: `${failed.length} of ${findings.length} checks failed`,
      exitCode: Math.max(...failed)
    })
  }
})
