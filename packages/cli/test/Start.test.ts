import { listening } from "@devops-mcp/testing/Peers"
import { runProgram, runStart } from "@devops-mcp/testing/Program"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { createServer } from "node:net"

const newHome = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" })
)

const me = (url: string, key: string) =>
  Effect.promise(() => fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${key}` } }))

layer(NodeServices.layer, { excludeTestServices: true, timeout: "60 seconds" })("devops-mcp start", (it) => {
  it.effect(
    "prints a short banner with a first key that works, once, and drains on Ctrl-C",
    () =>
      Effect.gen(function* () {
        const DEVOPS_MCP_HOME = `${yield* newHome}/home`
        const first = yield* runStart({ DEVOPS_MCP_HOME })
        const key = yield* first.line(/API key, shown only now: (dmk_\S+)/)
        const answer = yield* me(first.url, key)
        assert.strictEqual(answer.status, 200)
        assert.include(yield* Effect.promise(() => answer.json()), { role: "platform" })
        assert.isAtMost(first.output.stdout.trimEnd().split("\n").length, 20)
        assert.strictEqual(yield* first.signal("SIGINT"), 0)
        assert.match(first.output.stderr, /^(Preparing|Starting)[^\n]*\n(Starting[^\n]*\n)?$/)

        const second = yield* runStart({ DEVOPS_MCP_HOME })
        assert.notMatch(second.output.stdout, /dmk_/)
        assert.strictEqual((yield* me(second.url, key)).status, 200)

        const rival = yield* runProgram(["start"], { DEVOPS_MCP_HOME, PORT: "0" })
        assert.strictEqual(yield* rival.ended, 1)
        assert.match(rival.output.stderr, /^devops-mcp: The home folder \S+ is in use by process \d+: [^\n]+\n$/)

        const created = yield* runProgram(["keys", "create", "--role", "viewer", "--name", "ci"], { DEVOPS_MCP_HOME })
        assert.strictEqual(yield* created.ended, 0)
        const viewer = yield* me(second.url, created.output.stdout.trim())
        assert.include(yield* Effect.promise(() => viewer.json()), { role: "viewer" })
        const listed = yield* runProgram(["keys", "list"], { DEVOPS_MCP_HOME })
        assert.strictEqual(yield* listed.ended, 0)
        const [, id = ""] = /^(\S+) +dmk_\S{4}… +viewer +active .* ci$/m.exec(listed.output.stdout) ?? []
        assert.notInclude(listed.output.stdout, created.output.stdout.trim())
        const revoked = yield* runProgram(["keys", "revoke", id], { DEVOPS_MCP_HOME })
        assert.strictEqual(yield* revoked.ended, 0)
        assert.strictEqual((yield* me(second.url, created.output.stdout.trim())).status, 401)
        const beyond = ["keys", "create", "--role", "viewer", "--name", "n", "--scopes", "tools:admin"]
        const refused = yield* runProgram(beyond, { DEVOPS_MCP_HOME })
        assert.strictEqual(yield* refused.ended, 2)
        assert.match(refused.output.stderr, /^devops-mcp: The role 'viewer' does not have the scope 'tools:admin'\n$/)
        assert.strictEqual(yield* second.signal("SIGTERM"), 0)

        const grant = ["--role", "agent", "--name", "ci", "--scopes", "tools:read,events:read", "--expires", "90 days"]
        const alone = yield* runProgram(["keys", "create", ...grant], { DEVOPS_MCP_HOME })
        assert.strictEqual(yield* alone.ended, 0)
        assert.match(alone.output.stdout, /^dmk_\S+\n$/)
      }),
    120_000
  )

  it.effect(
    "takes the configured bootstrap key and prints none",
    () =>
      Effect.gen(function* () {
        const key = `dmk_${"k".repeat(32)}`
        const program = yield* runStart({ DEVOPS_MCP_HOME: yield* newHome, DEVOPS_MCP_BOOTSTRAP_API_KEY: key })
        const answer = yield* me(program.url, key)
        assert.include(yield* Effect.promise(() => answer.json()), { role: "platform" })
        assert.notInclude(program.output.stdout + program.output.stderr, "dmk_")
      }),
    60_000
  )

  it.effect(
    "ends with one clear sentence when something is wrong",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const home = yield* newHome
        const file = `${home}/a-file`
        yield* fs.writeFileString(file, "")
        const port = String(yield* listening(createServer()))
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, Record<string, string>, number, RegExp]> = [
          [["start"], { PORT: "s3cret" }, 2, /PORT is not valid/],
          [["start"], { PORT: "70000" }, 2, /PORT is not valid/],
          [["start"], { EMBEDDING_PROVIDER: "s3cret" }, 2, /EMBEDDING_PROVIDER is not valid/],
          [["start"], { LOG_LEVEL: "s3cret" }, 2, /LOG_LEVEL is not valid/],
          [["start"], { QUEUE_DRIVER: "s3cret" }, 2, /QUEUE_DRIVER is not valid/],
          [["start"], { WORKER_CONCURRENCY: "0" }, 2, /WORKER_CONCURRENCY is not valid/],
          [["start"], { DEVOPS_MCP_BOOTSTRAP_API_KEY: "s3cret" }, 2, /DEVOPS_MCP_BOOTSTRAP_API_KEY is not valid/],
          [["start"], { DATABASE_URL: "mysql://u:s3cret@127.0.0.1:1/x" }, 2, /DATABASE_URL is not valid/],
          [["start"], { DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/x" }, 1, /127\.0\.0\.1:1\/x cannot be reached/],
          [["start"], { REDIS_URL: "redis://:s3cret@127.0.0.1:1" }, 1, /Redis/],
          [["start"], { DEVOPS_MCP_HOME: `${file}/home` }, 1, /cannot be written to/],
          [["start"], { PORT: port }, 1, new RegExp(`127\\.0\\.0\\.1:${port}: the port is taken`)],
          [["start", "--s3cret"], {}, 2, /--help/],
          [["s3cret"], {}, 2, /--help/],
          [["keys", "create", "--role", "s3cret", "--name", "x"], {}, 2, /role/],
          [["keys", "create", "--role", "viewer", "--name", "x", "--scopes", "s3cret"], {}, 2, /--scopes/],
          [["keys", "create", "--role", "viewer", "--name", "x", "--expires", "s3cret"], {}, 2, /--expires/],
          [["keys", "create", "--role", "viewer", "--name", "x", "--expires", "2001-01-01"], {}, 2, /in the past/],
          [["keys", "revoke", "s3cret"], {}, 2, /UUID/],
          [["keys", "revoke", "01980000-0000-7000-8000-00000000dead"], {}, 1, /No API key/],
          [["queues", "dead-letters", "s3cret"], {}, 2, /deliveries/],
          [["queues", "redrive", "deliveries"], {}, 2, /their ids, or --all/],
          [["queues", "redrive", "deliveries", "--all", "01980000-0000-7000-8000-00000000dead"], {}, 2, /not both/],
          [["queues", "discard", "deliveries", "--reason", "r"], {}, 2, /their ids, or --all/],
          [["queues", "discard", "deliveries", "--all"], {}, 2, /--reason/],
          [["queues", "discard", "deliveries", "--reason", " ", "--all"], {}, 2, /reason/],
          [["mcp", "--stdio"], {}, 1, /DEVOPS_MCP_API_KEY/]
        ]
        yield* Effect.forEach(
          cases,
          ([args, env, code, sentence], index) =>
            Effect.gen(function* () {
              const program = yield* runProgram(args, { DEVOPS_MCP_HOME: `${home}/${index}`, PORT: "0", ...env })
              assert.strictEqual(yield* program.ended, code, `${args.join(" ")} ${JSON.stringify(env)}`)
              const { stderr, stdout } = program.output
              const lines = stderr.split("\n").filter((line) => line !== "" && !line.endsWith("…"))
              assert.strictEqual(lines.length, 1, stderr)
              assert.match(lines[0] ?? "", sentence)
              if (!args.some((arg) => arg.includes("s3cret"))) assert.notInclude(stderr, "s3cret")
              assert.strictEqual(stdout, "")
            }).pipe(Effect.scoped),
          { concurrency: 2 }
        )
      }),
    180_000
  )

  it.effect(
    "prints help, and only on standard output",
    () =>
      Effect.gen(function* () {
        for (const args of [
          ["--help"],
          ["start", "--help"],
          ["keys", "create", "--help"],
          ["keys", "revoke", "--help"],
          ["queues", "discard", "--help"]
        ]) {
          const program = yield* runProgram(args, {})
          assert.strictEqual(yield* program.ended, 0)
          assert.match(program.output.stdout, /USAGE/)
          assert.strictEqual(program.output.stderr, "")
        }
      }),
    60_000
  )
})
