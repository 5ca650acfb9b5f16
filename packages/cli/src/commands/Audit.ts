import { apiClient } from "@devops-mcp/contract/ApiClient"
import { verifyExport } from "@devops-mcp/core/audit/AuditExport"
import type { AuditBreak } from "@devops-mcp/domain/Audit"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Config, Console, type DateTime, Effect, FileSystem, Option, Stdio, Stream } from "effect"
import { CommandFailed } from "../Failure.ts"
import { localKey, runningInstance } from "../Instance.ts"

const whatIsWrong: Record<AuditBreak["reason"], string> = {
  changed: "was changed",
  inserted: "was inserted",
  missing: "is missing",
  unlinked: "does not follow from the row before",
  unsealed: "was not written by this installation"
}

/** Checks an export by itself, without the server and without a secret. Exit code 1 when a row is not what it was. */
export const verify = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const lines = fs.stream(file).pipe(Stream.decodeText, Stream.splitLines)
  const { checked, firstBroken, last } = yield* Effect.mapError(
    verifyExport(lines),
    ({ message }) => new CommandFailed({ message: `${file}: ${message}`, exitCode: 1 })
  )
  if (firstBroken !== undefined) {
    const { id, reason, seq } = firstBroken
    const row = id === undefined ? `row ${seq}` : `row ${seq} (${id})`
    return yield* new CommandFailed({ message: `${file}: ${row} ${whatIsWrong[reason]}`, exitCode: 1 })
  }
  yield* Console.log(`valid: ${checked} rows`)
  if (last !== undefined) yield* Console.log(`last: row ${last.seq}, hash ${last.hash}`)
}, Effect.provide(NodeCrypto.layer))

/** The server that is asked, and as whom: what the variables say, else the instance on the same home folder. */
const server = Effect.gen(function* () {
  const url = yield* Config.option(Config.String("DEVOPS_MCP_URL"))
  const key = yield* Config.option(Config.Redacted("DEVOPS_MCP_API_KEY"))
  const found = Option.all({
    url: Option.isSome(url) ? url : yield* runningInstance,
    key: Option.isSome(key) ? key : yield* localKey
  })
  return yield* Effect.mapError(
    Effect.fromOption(found),
    () =>
      new CommandFailed({
        message: "No running instance: set DEVOPS_MCP_URL and DEVOPS_MCP_API_KEY, or run 'devops-mcp start'",
        exitCode: 1
      })
  )
})

export interface Span {
  readonly since: Option.Option<DateTime.Utc>
  readonly until: Option.Option<DateTime.Utc>
}

/** Prints an export of the tenant whose key it is. */
export const print = Effect.fnUntraced(function* ({ since, until }: Span) {
  const { key, url } = yield* server
  const { audit } = yield* apiClient(url, key)
  const stdio = yield* Stdio.Stdio
  const lines = yield* audit.export({
    query: {
      ...(Option.isSome(since) ? { since: since.value } : {}),
      ...(Option.isSome(until) ? { until: until.value } : {})
    }
  })
  yield* Stream.run(lines, stdio.stdout())
})
