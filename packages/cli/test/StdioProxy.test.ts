import { listening } from "@devops-mcp/testing/Peers"
import { runProgram } from "@devops-mcp/testing/Program"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import manifest from "../package.json" with { type: "json" }

const key = { DEVOPS_MCP_API_KEY: "dmk_key" }

/** An instance that answers every request with what it was asked, and the key it was asked with. */
const instance = Effect.map(
  Effect.suspend(() =>
    listening(
      createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => (body += text))
        request.on("end", () => {
          const { id, method } = JSON.parse(body)
          const result = { method, authorization: request.headers.authorization }
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify({ jsonrpc: "2.0", id, result }))
        })
      })
    )
  ),
  (port) => ({ url: `http://127.0.0.1:${port}/` })
)

it.live("mcp --stdio hands on to the configured instance, and ends with its client", () =>
  Effect.gen(function* () {
    const { url } = yield* instance
    const program = yield* runProgram(["mcp", "--stdio"], { ...key, DEVOPS_MCP_URL: url })
    program.child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"initialize"}\n')
    const result = yield* program.line(/^(.*)\n/)
    assert.deepStrictEqual(JSON.parse(result), {
      jsonrpc: "2.0",
      id: 1,
      result: { method: "initialize", authorization: "Bearer dmk_key" }
    })
    program.child.stdin.end()
    assert.strictEqual(yield* program.ended, 0)
    assert.strictEqual(program.output.stderr, "")
  })
)

it.live("mcp --stdio with other flags hands on too", () =>
  Effect.gen(function* () {
    const { url } = yield* instance
    const program = yield* runProgram(["mcp", "--stdio", "--log-level", "error"], { ...key, DEVOPS_MCP_URL: url })
    program.child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    assert.include(yield* program.line(/^(.*)\n/), '"method":"ping"')
    assert.strictEqual(yield* program.signal("SIGTERM"), 0)
  })
)

it.live("mcp --stdio says which variable is wrong, and not what it holds", () =>
  Effect.gen(function* () {
    for (const args of [
      ["mcp", "--stdio"],
      ["mcp", "--stdio", "--log-level", "error"]
    ]) {
      const bad = yield* runProgram(args, { ...key, DEVOPS_MCP_URL: "ftp://s3cret" })
      assert.strictEqual(yield* bad.ended, 2)
      assert.match(bad.output.stderr, /^devops-mcp: DEVOPS_MCP_URL is not valid: [^\n]+\n$/)
      assert.notInclude(bad.output.stderr, "s3cret")
    }
    const without = yield* runProgram(["mcp", "--stdio"], { DEVOPS_MCP_URL: "http://localhost:9" })
    assert.strictEqual(yield* without.ended, 1)
    assert.match(without.output.stderr, /^devops-mcp: [^\n]+ DEVOPS_MCP_API_KEY\n$/)
  })
)

it.live("prints its version without loading the program", () =>
  Effect.gen(function* () {
    const program = yield* runProgram(["--version"], {})
    assert.strictEqual(yield* program.ended, 0)
    assert.strictEqual(program.output.stdout, `devops-mcp v${manifest.version}\n`)
  })
)

const imports = /^(?:import|export)[^;]*?from "([^"]+)"|import\("([^"]+)"\)/gm

const fileOf = (specifier: string, from: URL) => {
  const [, name, path] = /^@devops-mcp\/([^/]+)\/(.+)$/.exec(specifier) ?? []
  return name === undefined ? new URL(specifier, from) : new URL(`../../${name}/src/${path}.ts`, import.meta.url)
}

/** What a file needs from elsewhere when it runs, itself and through ours. */
const outside = (file: URL, seen = new Set<string>()): ReadonlyArray<string> => {
  if (seen.has(file.href)) return []
  seen.add(file.href)
  assert.isTrue(existsSync(file), file.href)
  return [...readFileSync(file, "utf8").matchAll(imports)].flatMap(([statement, from, dynamic]) => {
    const specifier = from ?? dynamic ?? ""
    if (statement.startsWith("import type")) return []
    return /^\.|^@devops-mcp\//.test(specifier) ? outside(fileOf(specifier, file), seen) : [specifier]
  })
}

it("the proxy imports nothing but Node's own modules", () => {
  const found = outside(new URL("../src/commands/StdioProxy.ts", import.meta.url))
  assert.isAbove(found.length, 4)
  assert.deepStrictEqual(
    found.filter((specifier) => !specifier.startsWith("node:")),
    []
  )
})
