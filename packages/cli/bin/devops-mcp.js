#!/usr/bin/env node
// Starts the command on the project's own Node: the one that runs this file may be the machine's, and too old.
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import * as nodeModule from "node:module"
import { constants } from "node:os"
import { fileURLToPath } from "node:url"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
const main = new URL("../src/main.ts", import.meta.url)

const atLeast = (version, [major, minor]) => {
  const [a, b] = version.split(".").map(Number)
  return a > major || (a === major && b >= minor)
}

const printVersion = () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
  process.stdout.write(`devops-mcp v${version}\n`)
}

/** Clients start this command with every session, so it does not load the program when it only has to find it. */
const proxy = async () => {
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  for (const signal of signals) process.on(signal, onSignal)
  const { proxyToInstance } = await import("../src/commands/StdioProxy.ts")
  const code = await proxyToInstance(stop.signal)
  for (const signal of signals) process.off(signal, onSignal)
  if (code === undefined) return false
  process.exitCode = code
  return true
}

const run = async () => {
  // Our sources are TypeScript as written; compiled once, the next start reads them from here.
  nodeModule.enableCompileCache(
    fileURLToPath(new URL("../../../node_modules/.cache/devops-mcp/compiled", import.meta.url))
  )
  if (process.argv.slice(2).join(" ") !== "mcp --stdio" || !(await proxy())) await import(main.href)
}

const runOnOwnNode = () => {
  const own = fileURLToPath(new URL("../../../node_modules/node/bin/node", import.meta.url))
  if (!existsSync(own)) {
    process.stderr.write(
      `devops-mcp: needs Node 22.19 or newer and this is ${process.versions.node}; the project's own Node is missing ` +
        "because npm's install scripts were off: run 'npm ci --ignore-scripts=false', or use a newer Node\n"
    )
    process.exit(1)
  }
  const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" })
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

if (process.argv.length === 3 && ["--version", "-v"].includes(process.argv[2])) printVersion()
else if (atLeast(process.versions.node, [22, 19])) await run()
else runOnOwnNode()
