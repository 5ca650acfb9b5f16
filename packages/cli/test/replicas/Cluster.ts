import { apiClient } from "@devops-mcp/contract/ApiClient"
import { checkout, runProgram } from "@devops-mcp/testing/Program"
import { testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, FileSystem, Layer } from "effect"
import { fileURLToPath } from "node:url"
import { makeGatedGit } from "./GatedGit.ts"

export const key = `dmk_${"replicas-test-".repeat(3)}`

const variant = fileURLToPath(new URL("ReplicaProgram.ts", import.meta.url))

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const git = yield* makeGatedGit
  const env = {
    ...(yield* testEnvironment),
    // The one that every machine of a deployment is given.
    ENCRYPTION_KEY: "cmVwbGljYXMtdGVzdC1yZXBsaWNhcy10ZXN0LXJlcGw=",
    DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
    DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
    GIT_ROOTS: checkout,
    LOG_LEVEL: "warn",
    PATH: `${git.folder}:${process.env["PATH"] ?? ""}`,
    PORT: "0"
  }
  const launch = Effect.fnUntraced(function* (name: "api" | "mcp" | "worker" | "variant") {
    const program = yield* name === "variant" ? runProgram([], env, variant) : runProgram([name], env)
    return { ...program, url: yield* program.line(/is ready at (http\S+)/) }
  })
  const [api, b] = yield* Effect.all([launch("api"), launch("mcp")], { concurrency: 2 })
  return { launch, git, b: b.url, api: yield* apiClient(api.url, key) }
})

/**
 * A deployment of the real programs on PostgreSQL and Redis: the HTTP API, and the replica B that outlives every test.
 * Each test adds what it is going to kill.
 */
export class Cluster extends Context.Service<Cluster, Effect.Success<typeof make>>()(
  "@devops-mcp/cli/test/replicas/Cluster"
) {
  static readonly layer = Layer.effect(Cluster, make).pipe(
    Layer.provideMerge(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici))
  )
}
