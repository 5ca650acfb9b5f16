import { Role } from "@devops-mcp/domain/Principal"
import * as Logging from "@devops-mcp/observability/Logging"
import * as Tracing from "@devops-mcp/observability/Tracing"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { CliOutput, Command, Flag } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { CommandFailed, report, teardown } from "./Failure.ts"

// What a command needs is loaded when it runs: `--help` and a wrong flag should not wait for a database driver.
const programs = Effect.promise(() => import("./commands/Programs.ts"))

const start = Command.make("start", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./commands/Start.ts")),
    ({ run }) => run
  )
).pipe(Command.withDescription("Run the MCP server, the HTTP API and the worker in one process"))

const mcp = Command.make(
  "mcp",
  {
    stdio: Flag.Boolean("stdio").pipe(
      Flag.withDescription("Speak over standard input and output, with the key in DEVOPS_MCP_API_KEY"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ stdio }) {
    if (!stdio) return yield* (yield* programs).mcp
    yield* (yield* Effect.promise(() => import("@devops-mcp/mcp-server/StdioApiKey"))).stdioApiKey
    const { proxyToInstance } = yield* Effect.promise(() => import("./commands/StdioProxy.ts"))
    const exitCode = yield* Effect.promise((signal) => proxyToInstance(signal))
    if (exitCode === 0) return
    if (exitCode !== undefined) return yield* new CommandFailed({ message: "", exitCode })
    const alone = yield* Effect.promise(() => import("./commands/Stdio.ts"))
    return yield* alone.run
  })
).pipe(Command.withDescription("Run the MCP server"))

const api = Command.make("api", {}, () => Effect.flatMap(programs, ({ api }) => api)).pipe(
  Command.withDescription("Run the HTTP API")
)

const worker = Command.make("worker", {}, () => Effect.flatMap(programs, ({ worker }) => worker)).pipe(
  Command.withDescription("Run the worker")
)

const migrate = Command.make("migrate", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./commands/Migrate.ts")),
    ({ run }) => run
  )
).pipe(Command.withDescription("Bring the database's schema up to date"))

const demo = Command.make("demo", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./commands/Demo.ts")),
    ({ run }) => run
  )
).pipe(Command.withDescription("Show the main job on real input, in under a minute"))

const doctor = Command.make("doctor", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./commands/Doctor.ts")),
    ({ run }) => run
  )
).pipe(Command.withDescription("Check the configuration and every dependency, and say how to mend them"))

const createKey = Command.make(
  "create",
  {
    role: Flag.Literals("role", Role.literals).pipe(Flag.withDescription("What the key may do")),
    name: Flag.String("name").pipe(Flag.withDescription("What the key is for"))
  },
  (key) =>
    Effect.flatMap(
      Effect.promise(() => import("./commands/Keys.ts")),
      ({ create }) => create(key)
    )
).pipe(Command.withDescription("Make an API key and print it once"))

const keys = Command.make("keys").pipe(Command.withDescription("Manage API keys"), Command.withSubcommands([createKey]))

const command = Command.make("devops-mcp").pipe(
  Command.withDescription("One platform between AI agents and DevOps tools"),
  Command.withSubcommands([start, mcp, api, worker, migrate, demo, keys, doctor])
)

/** What was wrong with the command line, in one line; the whole help is one flag away. */
const OneLinePresenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          `devops-mcp: ${event.errors.map((error) => error.message).join("; ")} (see '${event.commandPath.join(" ")} --help')`
        )
      : CliOutput.defaultPresenter.present(event)
})

const PlatformLive = Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerUndici, OneLinePresenter)

Command.run(command, { version: manifest.version }).pipe(
  Effect.provide(Layer.mergeAll(Logging.layer, Tracing.layer).pipe(Layer.provideMerge(PlatformLive))),
  report,
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
