import { Effect, FileSystem, Schema } from "effect"
import { runNode } from "./Command.ts"
import { conformanceCli } from "./Packages.ts"

/** One scenario, and what was wrong with it; nothing means that it passed. */
export interface Outcome {
  readonly name: string
  readonly faults: ReadonlyArray<string>
}

/** A line of the report: how many of its scenarios passed. */
export interface Score {
  readonly title: string
  readonly outcomes: ReadonlyArray<Outcome>
  /** False for what the suite runs and reports, but does not hold against anyone. */
  readonly required: boolean
}

export const revisions = ["2025-11-25", "2026-07-28"] as const

/** The suite's tool did not do what this program expects of it. */
export class SuiteFailed extends Schema.TaggedError<SuiteFailed>()("SuiteFailed", {
  command: Schema.String,
  output: Schema.String
}) {
  override get message() {
    return `conformance ${this.command} failed\n${this.output}`
  }
}

/**
 * Scenarios that this version of the suite lists but skips itself, whatever the server does: there is nothing to pass.
 * Any other scenario that is skipped as a whole counts as failed.
 */
const skippedBySuite = new Set(["tasks-status-notifications"])

const Checks = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      id: Schema.String,
      status: Schema.Literals(["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]),
      description: Schema.optionalKey(Schema.String),
      errorMessage: Schema.optionalKey(Schema.String)
    })
  )
)
type Check = (typeof Checks.Type)[number]

const faultsOf = (checks: ReadonlyArray<Check>): ReadonlyArray<string> => {
  const bad = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING")
  const faults = bad.map(
    ({ description = "", errorMessage = "", id, status }) => `${status} ${id}: ${errorMessage || description}`
  )
  return bad.length === 0 && !checks.some(({ status }) => status === "SUCCESS") ? ["no check was made"] : faults
}

const conformance = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const ran = yield* runNode([conformanceCli, ...args])
  return { ...ran, command: args.join(" ") }
})

/** The server's scenarios that a revision requires, as the suite has frozen them, and those of the tasks extension. */
const listed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { command, exitCode, stderr, stdout } = yield* conformance("list", ...args)
  const section = /Server scenarios[^\n]*\n((?: {2}- \S+.*\n)+)/.exec(stdout)?.[1]
  if (exitCode !== 0 || section === undefined) return yield* new SuiteFailed({ command, output: stdout + stderr })
  return [...section.matchAll(/ {2}- (\S+)/g)].flatMap((match) => match[1] ?? [])
})

const resultFolder = /^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/

/** What each scenario reported, by its name. */
const readResults = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const entries = yield* Effect.forEach(yield* fs.readDirectory(folder), (name) =>
    Effect.gen(function* () {
      const scenario = resultFolder.exec(name)?.[1] ?? name
      const text = yield* Effect.orElseSucceed(fs.readFileString(`${folder}/${name}/checks.json`), () => "[]")
      return [scenario, yield* Schema.decodeEffect(Checks)(text)] as const
    })
  )
  return new Map(entries)
})

/**
 * Runs what a revision requires, and with 2026-07-28 the scenarios of the tasks extension, which its run includes. A
 * warning is a fault as well: the suite gives it for what a server should do.
 */
export const runRevision = Effect.fnUntraced(function* (revision: (typeof revisions)[number], url: string) {
  const fs = yield* FileSystem.FileSystem
  const required = yield* listed("--requirements", revision)
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-conformance-" })
  const { command, stderr, stdout } = yield* conformance(
    "server",
    "--url",
    `${url}/mcp`,
    "--requirements",
    revision,
    "-o",
    folder
  )
  const results = yield* readResults(folder)
  if (results.size === 0) return yield* new SuiteFailed({ command, output: stdout + stderr })

  const outcomeOf = (name: string): Outcome => ({ name, faults: faultsOf(results.get(name) ?? []) })
  const isSkipped = (name: string) =>
    skippedBySuite.has(name) && (results.get(name) ?? []).every(({ status }) => status === "SKIPPED")
  const tasks =
    revision === "2026-07-28"
      ? (yield* listed("--server")).filter((name) => name.startsWith("tasks-") && !isSkipped(name))
      : []
  const rest = [...results.keys()].filter((name) => !required.includes(name) && !name.startsWith("tasks-"))
  return [
    { title: revision, outcomes: required.map(outcomeOf), required: true },
    { title: `${revision}, not required`, outcomes: rest.map(outcomeOf), required: false },
    ...(tasks.length === 0 ? [] : [{ title: "tasks", outcomes: tasks.map(outcomeOf), required: true }])
  ] satisfies ReadonlyArray<Score>
}, Effect.scoped)
