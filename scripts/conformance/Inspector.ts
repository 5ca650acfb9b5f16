import { checkout } from "@devops-mcp/testing/Program"
import { Effect, FileSystem } from "effect"
import { runNode } from "./Command.ts"
import { inspectorCli } from "./Packages.ts"
import type { Outcome, Score } from "./Suite.ts"

const eras = ["modern", "legacy"] as const
type Era = (typeof eras)[number]

/** How much of what it printed a failed check shows, in characters. */
const shown = 2000

/** The toolsets of production; the fixtures have schemas that only the conformance suite can want. */
const production = "context,knowledge,events,discovery,git"

interface Check {
  readonly name: string
  readonly args: ReadonlyArray<string>
  /** What the answer must have in it. */
  readonly expected: string
}

const uses: ReadonlyArray<Check> = [
  {
    name: "tools/call",
    args: ["--method", "tools/call", "--tool-name", "context_create", "--tool-args-json", `{"name":"inspected"}`],
    expected: `"inspected"`
  },
  {
    name: "resources/read",
    args: ["--method", "resources/read", "--uri", "test://template/7/data"],
    expected: "Data for ID: 7"
  },
  {
    name: "prompts/get",
    args: [
      "--method",
      "prompts/get",
      "--prompt-name",
      "test_prompt_with_arguments",
      "--prompt-args",
      "arg1=a",
      "arg2=b"
    ],
    expected: "arg1='a', arg2='b'"
  }
]

const strictList: Check = {
  name: "tools/list --strict",
  args: ["--method", "tools/list", "--strict"],
  expected: "context_create"
}

/** Runs the Inspector's command line against the server in both eras: over HTTP, and through `mcp --stdio`. */
export const runInspector = Effect.fnUntraced(function* (url: string, key: string) {
  // It keeps a catalogue and credentials in its user's home folder.
  const home = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "devops-mcp-inspector-" })

  const inspect = Effect.fnUntraced(function* (name: string, check: Check, target: ReadonlyArray<string>) {
    const { exitCode, stderr, stdout } = yield* runNode(
      [inspectorCli, "--cli", ...check.args, "--format", "json", "-q", ...target],
      { HOME: home }
    )
    const faults = [`exit code ${exitCode}`, stdout.slice(0, shown), stderr.slice(0, shown)]
    const passed = exitCode === 0 && stdout.includes(check.expected)
    return { name, faults: passed ? [] : faults.filter((fault) => fault !== "") } satisfies Outcome
  })

  const overHttp = (check: Check, path: string, era: Era) =>
    inspect(`${check.name} over HTTP, ${era}`, check, [
      "--server-url",
      `${url}${path}`,
      "--transport",
      "http",
      "--protocol-era",
      era,
      "--header",
      `Authorization: Bearer ${key}`
    ])

  const overStdio = (check: Check, era: Era) =>
    inspect(`${check.name} over stdio, ${era}`, check, [
      "--protocol-era",
      era,
      "-e",
      `DEVOPS_MCP_URL=${url}`,
      "-e",
      `DEVOPS_MCP_API_KEY=${key}`,
      "--",
      process.execPath,
      `${checkout}packages/cli/bin/devops-mcp.js`,
      "mcp",
      "--stdio"
    ])

  const outcomes = yield* Effect.all(
    eras.flatMap((era) => [
      overHttp(strictList, `/mcp/x/${production}`, era),
      ...uses.map((check) => overHttp(check, "/mcp", era)),
      ...[strictList, ...uses].map((check) => overStdio(check, era))
    ]),
    { concurrency: 2 }
  )
  return { title: "inspector", outcomes, required: true } satisfies Score
}, Effect.scoped)
