#!/usr/bin/env node
// Starts the command on the project's own Node: the one that runs this file may be the machine's, and too old.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as nodeModule from "node:module"
import { constants } from "node:os"
import { fileURLToPath } from "node:url"

const atLeast = (version, [major, minor]) => {
  const [a, b] = version.split(".").map(Number)
  return a > major || (a === major && b >= minor)
}

const main = new URL("../src/main.ts", import.meta.url)

if (atLeast(process.versions.node, [22, 19])) {
  // Our sources are TypeScript as written; compiled once, the next start reads them from here.
  nodeModule.enableCompileCache(
    fileURLToPath(new URL("../../../node_modules/.cache/devops-mcp/compiled", import.meta.url))
  )
  await import(main.href)
} else {
  const own = fileURLToPath(new URL("../../../node_modules/node/bin/node", import.meta.url))
  if (!existsSync(own)) {
    process.stderr.write(
      `devops-mcp: needs Node 22.19 or newer and this is ${process.versions.node}; the project's own Node is missing ` +
        "because npm's install scripts were off: run 'npm ci --ignore-scripts=false', or use a newer Node\n"
    )
    process.exit(1)
  }
  const child = spawn(own, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
