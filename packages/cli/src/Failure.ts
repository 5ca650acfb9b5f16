import { Cause, Config, Console, Effect, Exit, Option, Predicate, type Runtime, Schema, SchemaIssue } from "effect"
import { CliError } from "effect/cli"

/** What a user sees of a failed command: one sentence, and the exit code that scripts look at. */
export interface Failure {
  readonly message: string
  readonly exitCode: number
}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** Names the variable and what it should be, never what it is: it may be a secret. */
const badVariable = (error: Config.ConfigError): string => {
  const { cause } = error
  if (!Schema.isSchemaError(cause)) return "The configuration cannot be read"
  return formatIssues(cause.issue)
    .issues.map(({ message, path = [] }) => {
      const name = path.map((segment) => String(typeof segment === "object" ? segment.key : segment)).join("_")
      return `${name} is not valid: ${message.replace(/^Expected /, "expected ")}`
    })
    .join("; ")
}

/** A command that has already said what is wrong ends with this. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("@devops-mcp/cli/Failure/CommandFailed", {
  message: Schema.String,
  exitCode: Schema.Int
}) {}

/** The first sentence of whatever went wrong. Exit code 2 is for what the caller got wrong, 1 for what failed. */
export const describe = (cause: Cause.Cause<unknown>): Failure => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error instanceof Config.ConfigError) return { message: badVariable(error), exitCode: 2 }
  if (error instanceof CommandFailed) return error
  if (CliError.isCliError(error))
    return { message: "", exitCode: error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2 }
  if (Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== "") {
    return { message: error.message, exitCode: 1 }
  }
  return { message: `An internal error, please report it: ${Cause.pretty(cause)}`, exitCode: 1 }
}

/** Prints the sentence on standard error and ends with the exit code. A stop by a signal is no failure. */
export const report = <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<number, never, R> =>
  Effect.exit(command).pipe(
    Effect.flatMap((exit) => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed(0)
      const { exitCode, message } = describe(exit.cause)
      return Effect.as(message === "" ? Effect.void : Console.error(`devops-mcp: ${message}`), exitCode)
    })
  )

/** Ends the process with the code that the command reported; what a signal interrupted has drained and is fine. */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  onExit(Exit.isSuccess(exit) && typeof exit.value === "number" ? exit.value : 0)
}
