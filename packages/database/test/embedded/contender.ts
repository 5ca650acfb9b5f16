/** Tries for the lock of a home folder when told to, says how it went, and stays. Arguments: home. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import { once } from "node:events"
import * as HomeLock from "../../src/embedded/HomeLock.ts"

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const attempt = HomeLock.hold(process.argv[2] ?? "").pipe(
  Effect.andThen(say("won")),
  Effect.catchTag("@devops-mcp/database/embedded/Errors/HomeInUse", (error) => say(`lost to ${error.pid}`)),
  Effect.andThen(Effect.never),
  Effect.scoped,
  Effect.provide(NodeFileSystem.layer)
)

const told = Effect.promise(() => once(process.stdin, "data"))

await Effect.runPromise(say("ready").pipe(Effect.andThen(told), Effect.andThen(attempt)))
