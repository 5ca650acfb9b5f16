import { QueueName } from "@devops-mcp/contract/Jobs"
import { DiscardReason } from "@devops-mcp/domain/DeadLetter"
import { Name, Timestamp } from "@devops-mcp/domain/Fields"
import { ApiKeyId, DeadLetterId } from "@devops-mcp/domain/Ids"
import { Role, Scope } from "@devops-mcp/domain/Principal"
import * as Logging from "@devops-mcp/observability/Logging"
import * as Tracing from "@devops-mcp/observability/Tracing"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { Argument, CliOutput, Command, Flag } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { CommandFailed, report, teardown } from "./Failure.ts"
import { parseExpiry, parseScopes } from "./KeyFlags.ts"

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

const keyCommands = Effect.promise(() => import("./commands/Keys.ts"))

const createKey = Command.make(
  "create",
  {
    role: Flag.Literals("role", Role.literals).pipe(Flag.withDescription("What the key may do")),
    name: Flag.String("name").pipe(Flag.withSchema(Name), Flag.withDescription("What the key is for")),
    scopes: Flag.String("scopes").pipe(
      Flag.filterMap(parseScopes, () => `scopes like '${Scope.literals.slice(0, 2).join(",")}'`),
      Flag.withDescription("The only scopes of its role that the key has, separated by commas"),
      Flag.optional
    ),
    expires: Flag.String("expires").pipe(
      Flag.filterMap(parseExpiry, () => "a time like '2030-01-31T00:00:00Z' or a duration like '90 days'"),
      Flag.withDescription("When the key ends: a time, or how long from now"),
      Flag.optional
    )
  },
  (key) => Effect.flatMap(keyCommands, ({ create }) => create(key))
).pipe(Command.withDescription("Make an API key and print it once"))

const listKeys = Command.make("list", {}, () => Effect.flatMap(keyCommands, ({ list }) => list)).pipe(
  Command.withDescription("List the API keys, without their secrets")
)

const revokeKey = Command.make(
  "revoke",
  { id: Argument.String("id").pipe(Argument.withSchema(ApiKeyId), Argument.withDescription("The key's id")) },
  ({ id }) => Effect.flatMap(keyCommands, ({ revoke }) => revoke(id))
).pipe(Command.withDescription("Take an API key back, at once and for good"))

const keys = Command.make("keys").pipe(
  Command.withDescription("Manage API keys"),
  Command.withSubcommands([createKey, listKeys, revokeKey])
)

const queueCommands = Effect.promise(() => import("./commands/Queues.ts"))

const queueName = Argument.Literals("name", QueueName.literals).pipe(Argument.withDescription("The queue"))

/** No more than the HTTP API takes at once. */
const letterIds = Argument.String("id").pipe(
  Argument.withSchema(DeadLetterId),
  Argument.withDescription("The dead letters' ids, at most 200"),
  Argument.variadic({ max: 200 })
)

const allLetters = Flag.Boolean("all").pipe(
  Flag.withDescription("All dead letters that wait in the queue"),
  Flag.withDefault(false)
)

const listQueues = Command.make("list", {}, () => Effect.flatMap(queueCommands, ({ list }) => list)).pipe(
  Command.withDescription("List the queues: what waits, runs and was given up")
)

const listLetters = Command.make(
  "dead-letters",
  {
    name: queueName,
    discarded: Flag.Boolean("discarded").pipe(
      Flag.withDescription("Those that were discarded, and why"),
      Flag.withDefault(false)
    )
  },
  ({ discarded, name }) => Effect.flatMap(queueCommands, ({ deadLetters }) => deadLetters(name, discarded))
).pipe(Command.withDescription("List the jobs of a queue that failed for good"))

const showLetter = Command.make(
  "show",
  {
    name: queueName,
    id: Argument.String("id").pipe(Argument.withSchema(DeadLetterId), Argument.withDescription("The dead letter's id"))
  },
  ({ id, name }) => Effect.flatMap(queueCommands, ({ show }) => show(name, id))
).pipe(Command.withDescription("Show a dead letter with its error and its job"))

const redriveLetters = Command.make(
  "redrive",
  { name: queueName, ids: letterIds, all: allLetters },
  ({ name, ...selection }) => Effect.flatMap(queueCommands, ({ redrive }) => redrive(name, selection))
).pipe(Command.withDescription("Put dead letters back into their queue"))

const discardLetters = Command.make(
  "discard",
  {
    name: queueName,
    ids: letterIds,
    all: allLetters,
    reason: Flag.String("reason").pipe(
      Flag.withSchema(DiscardReason),
      Flag.withDescription("Why their jobs will not be done")
    )
  },
  ({ name, reason, ...selection }) => Effect.flatMap(queueCommands, ({ discard }) => discard(name, reason, selection))
).pipe(Command.withDescription("Decide that the jobs of dead letters will not be done"))

const queues = Command.make("queues").pipe(
  Command.withDescription("See the queues, and mend what failed for good"),
  Command.withSubcommands([listQueues, listLetters, showLetter, redriveLetters, discardLetters])
)

const rotateSecrets = Command.make("rotate", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./commands/Secrets.ts")),
    ({ rotate }) => rotate
  )
).pipe(Command.withDescription("Bring every stored secret under the newest encryption key"))

const secrets = Command.make("secrets").pipe(
  Command.withDescription("Manage stored secrets"),
  Command.withSubcommands([rotateSecrets])
)

const auditCommands = Effect.promise(() => import("./commands/Audit.ts"))

const verifyAudit = Command.make("verify", { file: Argument.String("FILE") }, ({ file }) =>
  Effect.flatMap(auditCommands, ({ verify }) => verify(file))
).pipe(Command.withDescription("Check an export of the audit log, without the server"))

const exportAudit = Command.make(
  "export",
  {
    since: Flag.String("since").pipe(
      Flag.withDescription("Only what was recorded at or after this time, ISO 8601"),
      Flag.withSchema(Timestamp),
      Flag.optional
    ),
    until: Flag.String("until").pipe(
      Flag.withDescription("Only what was recorded before this time"),
      Flag.withSchema(Timestamp),
      Flag.optional
    )
  },
  (span) => Effect.flatMap(auditCommands, ({ print }) => print(span))
).pipe(Command.withDescription("Print the audit log of a key's tenant as JSON lines"))

const audit = Command.make("audit").pipe(
  Command.withDescription("Export and check the audit log"),
  Command.withSubcommands([exportAudit, verifyAudit])
)

const command = Command.make("devops-mcp").pipe(
  Command.withDescription("One platform between AI agents and DevOps tools"),
  Command.withSubcommands([start, mcp, api, worker, migrate, demo, keys, queues, audit, secrets, doctor])
)

/** What was wrong with the command line, in one line; the whole help is one flag away. */
const OneLinePresenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          `devops-mcp: ${event.errors.map((error) => error.message.replaceAll(/\s+/g, " ")).join("; ")} (see '${event.commandPath.join(" ")} --help')`
        )
      : CliOutput.defaultPresenter.present(event)
})

const PlatformLive = Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerUndici, OneLinePresenter)

Command.run(command, { version: manifest.version }).pipe(
  Effect.provide(Layer.mergeAll(Logging.layer, Tracing.layer).pipe(Layer.provideMerge(PlatformLive))),
  report,
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
