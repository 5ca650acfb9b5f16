import { Effect, FileSystem, Option, type PlatformError, Random, Schema, type Scope } from "effect"
import { HomeInUse, HomeNotWritable } from "./Errors.ts"

/** Who holds a lock. `started` tells a process from a later one with the same pid, where the system knows it. */
const Owner = Schema.Struct({
  pid: Schema.Int,
  started: Schema.NullOr(Schema.String),
  token: Schema.NonEmptyString
})
type Owner = typeof Owner.Type

const OwnerJson = Schema.fromJsonString(Owner)

/** A lock file is complete before it appears, so one that cannot be read is what a power failure left of it. */
const unreadable: Owner = { pid: -1, started: null, token: "unreadable" }

const absent = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

const taken = (error: PlatformError.PlatformError): boolean => error.reason._tag === "AlreadyExists"

/** Whether a process exists; one that belongs to somebody else does too. */
const exists = (pid: number): Effect.Effect<boolean> =>
  Effect.sync(() => {
    try {
      return process.kill(pid, 0)
    } catch (cause) {
      return cause instanceof Error && "code" in cause && cause.code === "EPERM"
    }
  })

interface ProcessState {
  readonly ended: boolean
  readonly started: string
}

/** What Linux tells of a process: whether it has ended, and its start in clock ticks of this boot. */
const processState = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, pid: number) {
  const boot = yield* fs.readFileString("/proc/sys/kernel/random/boot_id")
  const stat = yield* fs.readFileString(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const state: ProcessState = {
    ended: fields[0] === "Z" || fields[0] === "X",
    started: `${boot.trim()}/${fields[19] ?? ""}`
  }
  return state
}, Effect.option)

const isAlive = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, owner: Owner) {
  if (owner.pid <= 0 || !(yield* exists(owner.pid))) return false
  const state = yield* processState(fs, owner.pid)
  if (Option.isNone(state)) return true
  return !state.value.ended && (owner.started === null || owner.started === state.value.started)
})

const read = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<Option.Option<Owner>, PlatformError.PlatformError> =>
  fs.readFileString(path).pipe(
    Effect.flatMap((text) => Effect.orElseSucceed(Schema.decodeEffect(OwnerJson)(text), () => unreadable)),
    Effect.asSome,
    Effect.catchIf(absent, () => Effect.succeedNone)
  )

const create = (fs: FileSystem.FileSystem, draft: string, path: string) =>
  fs.link(draft, path).pipe(
    Effect.as(true),
    Effect.catchIf(taken, () => Effect.succeed(false))
  )

const successor = (lock: string, dead: Owner): string => `${lock}.after-${dead.token}`

/** The last in the chain of owners that begins at the lock: whoever claimed the place of the dead one before it. */
const last = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, lock: string) {
  let owner = yield* read(fs, lock)
  while (Option.isSome(owner)) {
    const next = yield* read(fs, successor(lock, owner.value))
    if (Option.isNone(next)) return owner
    owner = next
  }
  return owner
})

/**
 * Takes the lock, or the place of an owner that is dead. A place is claimed by making the file `lock.after-<token>`,
 * which only one can do, and counts only while the chain from the lock still leads to it: two stealers never both win.
 */
const claim = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, home: string, draft: string, own: Owner) {
  const lock = `${home}/lock`
  let path = lock
  while (true) {
    if (yield* create(fs, draft, path)) {
      if (path === lock) return
      if (Option.exists(yield* last(fs, lock), (owner) => owner.token === own.token)) {
        yield* fs.rename(draft, lock)
        return yield* fs.remove(path, { force: true })
      }
      yield* fs.remove(path, { force: true })
      path = lock
      continue
    }
    const owner = yield* read(fs, path)
    if (Option.isNone(owner)) {
      path = lock
      continue
    }
    if (yield* isAlive(fs, owner.value)) return yield* new HomeInUse({ home, pid: owner.value.pid })
    path = successor(lock, owner.value)
  }
})

const release = Effect.fnUntraced(
  function* (fs: FileSystem.FileSystem, home: string, own: Owner) {
    const owner = yield* read(fs, `${home}/lock`)
    if (Option.exists(owner, ({ token }) => token === own.token)) yield* fs.remove(`${home}/lock`)
  },
  Effect.ignore({ log: true })
)

const acquire = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, home: string) {
  const state = yield* processState(fs, process.pid)
  const own: Owner = {
    pid: process.pid,
    started: Option.match(state, { onNone: () => null, onSome: ({ started }) => started }),
    token: `${process.pid}-${yield* Random.nextInt}`
  }
  const draft = `${home}/lock.${own.token}`
  const text = yield* Effect.orDie(Schema.encodeEffect(OwnerJson)(own))
  yield* fs.writeFileString(draft, text, { flag: "wx", mode: 0o600 })
  yield* Effect.ensuring(claim(fs, home, draft, own), Effect.ignore(fs.remove(draft, { force: true })))
  return own
})

/**
 * Owns the home folder until the scope closes: PGlite has no lock, and two on the same files destroy them. The lock is
 * stolen only from an owner that is dead, never for being slow: long SQL looks the same from outside.
 * Processes that share the folder but not their pids (containers on one volume) cannot see each other.
 */
export const hold = Effect.fn("HomeLock.hold")(function* (
  home: string
): Effect.fn.Return<void, HomeInUse | HomeNotWritable, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.acquireRelease(acquire(fs, home), (own) => release(fs, home, own)).pipe(
    Effect.catchTag("PlatformError", (cause) => Effect.fail(new HomeNotWritable({ home, cause })))
  )
})
