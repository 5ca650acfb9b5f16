import { databaseUrl, home } from "@devops-mcp/database/Settings"
import { Effect, FileSystem, Option, Redacted, Schema } from "effect"
import { instanceFileOf, liveInstance } from "./LiveInstance.ts"

/** What a running `start` on embedded stores tells the other commands on the same home folder. */
const Instance = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, url: Schema.String }))

const instanceFile = Effect.map(home, instanceFileOf)

/** Whoever reads this file may administer the instance; it lies beside the database, which says at least as much. */
const localKeyFile = Effect.map(home, (folder) => `${folder}/local-key`)

/** Announces this process to the other commands until the scope closes. */
export const announce = Effect.fnUntraced(function* (url: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* instanceFile
  const text = yield* Effect.orDie(Schema.encodeEffect(Instance)({ pid: process.pid, url }))
  yield* Effect.acquireRelease(fs.writeFileString(file, text, { mode: 0o600 }), () =>
    Effect.ignore(fs.remove(file, { force: true }))
  )
})

/** The address of a live `start` on this home folder. */
export const runningInstance = Effect.flatMap(home, (folder) =>
  Effect.map(
    Effect.promise(() => liveInstance(folder)),
    Option.fromUndefinedOr
  )
)

/** The key by which commands on the same machine administer a running instance, if one has been made. */
export const localKey = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.option(fs.readFileString(yield* localKeyFile))
  return Option.map(text, (key) => Redacted.make(key.trim()))
})

/**
 * The running instance on this home folder, when its stores are embedded: it has them to itself, so it is asked. A
 * server takes this process as well.
 */
export const embeddedInstance = Effect.gen(function* () {
  if (Option.isSome(yield* databaseUrl)) return Option.none()
  return Option.all({ url: yield* runningInstance, credential: yield* localKey })
})

/** Keeps a new local key; readable by this user only. */
export const saveLocalKey = Effect.fnUntraced(function* (key: Redacted.Redacted) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(yield* localKeyFile, Redacted.value(key), { mode: 0o600 })
})
