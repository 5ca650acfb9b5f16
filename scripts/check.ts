/**
 * The static checks, one after the other, all of them even when one fails: types, Effect's rules, lint with the import
 * direction, format. `npm run check -- --fix` mends what can be mended.
 */
import { spawnSync } from "node:child_process"

const fix = process.argv.includes("--fix")

const checks: ReadonlyArray<readonly [name: string, command: string, args: ReadonlyArray<string>]> = [
  ["types", "tsc", ["--noEmit", "-p", "tsconfig.json"]],
  ["Effect's rules", "effect-tsgo", ["diagnostics", "--project", "tsconfig.json", "--format", "text"]],
  ["lint and import direction", "oxlint", fix ? ["--fix"] : []],
  ["format", "oxfmt", fix ? ["."] : ["--check", "."]]
]

const failed = checks.filter(([name, command, args]) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8" })
  const ok = error === undefined && status === 0
  console.log(`${ok ? "ok  " : "FAIL"}  ${name}`)
  if (!ok) console.log(`${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`)
  return !ok
})

process.exitCode = failed.length === 0 ? 0 : 1
