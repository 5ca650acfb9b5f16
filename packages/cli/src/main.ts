import * as Logging from "@devops-mcp/observability/Logging"
import * as Tracing from "@devops-mcp/observability/Tracing"
import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { CliOutput, Command } from "effect/cli"
import { demo } from "./commands/Demo.ts"
import { doctor } from "./commands/Doctor.ts"
import { keys } from "./commands/Keys.ts"
import { migrate } from "./commands/Migrate.ts"
import { api, mcp, worker } from "./commands/Programs.ts"
import { start } from "./commands/Start.ts"
import { report, teardown } from "./Failure.ts"

/** What was wrong with the command line, in one line; the whole help is one flag away. */
const OneLinePresenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        `devops-mcp: ${event.errors.map((error) => error.message).join("; ")} (see '${event.commandPath.join(" ")} --help')`
      )
      : CliOutput.defaultPresenter.present(event)
})

const command = Command.make("devops-mcp").pipe(
  Command.withDescription("One platform between AI agents and DevOps tools"),
  Command.withSubcommands([start, mcp, api, worker, migrate, demo, keys, doctor])
)

const PlatformLive = Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerUndici, OneLinePresenter)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(Layer.mergeAll(Logging.layer, Tracing.layer).pipe(Layer.provideMerge(PlatformLive))),
  report,
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
