/**
 * Holds the server against MCP's conformance suite and the Inspector: production's transports and registries with the
 * suite's fixtures, on an embedded database in a folder of its own. `npm run conformance`, or parts of it:
 * `npm run conformance -- inspector`. Exits 0 only when everything that is required passes.
 */
import { generateApiKey } from "@devops-mcp/core/access/ApiKeySecret"
import { FixtureServer } from "@devops-mcp/testing/mcp-fixtures/FixtureServer"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, FileSystem, Layer, Redacted, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { runInspector } from "./Inspector.ts"
import { ensurePackages } from "./Packages.ts"
import { startProxy } from "./Proxy.ts"
import { revisions, runRevision, type Outcome, type Score } from "./Suite.ts"

const parts = [...revisions, "inspector"] as const

class NotConformant extends Schema.TaggedError<NotConformant>()("NotConformant", {}) {}

const passedOf = (outcomes: ReadonlyArray<Outcome>) => outcomes.filter(({ faults }) => faults.length === 0).length

const report = ({ outcomes, required, title }: Score) => [
  `${title} ${passedOf(outcomes)}/${outcomes.length}`,
  ...outcomes.flatMap(({ faults, name }) => {
    const lines = faults.map((fault) => `    ${fault.replaceAll("\n", "\n    ")}`)
    return faults.length === 0 ? [] : [`  ${required ? "FAIL" : "note"} ${name}`, ...lines]
  })
]

const run = Effect.fnUntraced(function* (chosen: ReadonlyArray<(typeof parts)[number]>) {
  const wanted = new Set(chosen.length === 0 ? parts : chosen)
  yield* ensurePackages
  const home = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "devops-mcp-conformance-" })
  const key = Redacted.value(yield* generateApiKey)
  const server = yield* Layer.build(
    FixtureServer.layer({ DEVOPS_MCP_HOME: home, DEVOPS_MCP_BOOTSTRAP_API_KEY: key, RATE_LIMIT_PER_MINUTE: "1000000" })
  )
  const scores = yield* Effect.gen(function* () {
    const { url } = yield* FixtureServer
    const open = yield* startProxy(url, key)
    const suites = yield* Effect.forEach(
      revisions.filter((revision) => wanted.has(revision)),
      (revision) => runRevision(revision, open)
    )
    return [...suites.flat(), ...(wanted.has("inspector") ? [yield* runInspector(url, key)] : [])]
  }).pipe(Effect.provide(server))

  const outcomes = scores.filter(({ required }) => required).flatMap((score) => score.outcomes)
  const passed = passedOf(outcomes)
  const failed = outcomes.length - passed
  yield* Console.log([...scores.flatMap(report), `${passed} passed, ${failed} failed`].join("\n"))
  if (failed > 0) return yield* new NotConformant()
}, Effect.scoped)

const conformance = Command.make(
  "conformance",
  {
    parts: Argument.Literals("part", parts).pipe(
      Argument.withDescription("What to run; everything when absent"),
      Argument.variadic()
    )
  },
  ({ parts: chosen }) => run(chosen)
)

Command.run(conformance, { version: "1" }).pipe(
  Effect.tapError((error) => (error._tag === "NotConformant" ? Effect.void : Effect.logError(error))),
  Effect.provide(Layer.merge(NodeServices.layer, NodeCrypto.layer)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
