import { Array, Duration, Effect, FileSystem, Order, Path, Schedule, Schema } from "effect"
import { load } from "./Load.ts"
import { measure, type Subject, warmUp } from "./Rounds.ts"
import { ServerFailed } from "./Server.ts"

/** How long the threads may take to begin, or to write what they have sampled. */
const longestWriting = Duration.seconds(20)

const mostFunctions = 15

const CpuProfile = Schema.fromJsonString(
  Schema.Struct({
    nodes: Schema.Array(
      Schema.Struct({
        id: Schema.Int,
        callFrame: Schema.Struct({ functionName: Schema.String, url: Schema.String, lineNumber: Schema.Int }),
        children: Schema.optionalKey(Schema.Array(Schema.Int))
      })
    ),
    samples: Schema.Array(Schema.Int),
    timeDeltas: Schema.Array(Schema.Int)
  })
)

type CpuProfile = typeof CpuProfile.Type

/** Where time is spent: the first that matches the address of a file. */
const groups: ReadonlyArray<readonly [pattern: RegExp, name: string]> = [
  [/^wasm:|@electric-sql\//, "PGlite (WebAssembly)"],
  [/^node:(_?http|internal\/http|_http|net|internal\/(net|stream_base|streams)|stream)/, "node: http, net, streams"],
  [/^node:/, "node: everything else"],
  [/\/effect\/(dist|src)\/(Schema|internal\/schema|internal\/record|JsonSchema)/, "effect: Schema"],
  [/\/effect\/(dist|src)\/http|@effect\/platform-node/, "effect: HTTP"],
  [/\/effect\/(dist|src)\/sql|@effect\/sql|\/node_modules\/pg/, "effect: SQL, pg"],
  [/\/node_modules\/effect\//, "effect: everything else"],
  [/\/node_modules\/@modelcontextprotocol\//, "MCP SDK"],
  [/\/node_modules\/zod\//, "zod"],
  [/\/node_modules\/ws\//, "ws"],
  [/\/node_modules\//, "other libraries"]
]

const own = /\/packages\/([^/]+)\//

const groupOf = (url: string): string =>
  groups.find(([pattern]) => pattern.test(url))?.[1] ?? own.exec(url)?.[1]?.replace(/^/, "ours: ") ?? "other"

/** What the profiler calls time that no script takes; not the time in which there was nothing to do. */
const natives: ReadonlyMap<string, string> = new Map([
  ["(garbage collector)", "garbage collection"],
  ["(program)", "native code of Node and V8"]
])
const ignored = new Set(["(idle)", "(root)"])

/** Starting and stopping takes a while by itself. */
const profiler = "node:inspector"

interface Taken {
  readonly group: string
  readonly name: string
  readonly micros: number
}

/** Self time; what V8 and Node do natively counts for the function that called it. */
const takenBy = ({ nodes, samples, timeDeltas }: CpuProfile): ReadonlyArray<Taken> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ children = [], id }) => children.map((child) => [child, id] as const)))
  const micros = new Map<number, number>()
  samples.forEach((id, index) => micros.set(id, (micros.get(id) ?? 0) + (timeDeltas[index] ?? 0)))
  const urlAbove = (id: number): string => {
    const url = byId.get(id)?.callFrame.url
    if (url !== undefined && url !== "") return url
    const parent = parents.get(id)
    return parent === undefined ? "" : urlAbove(parent)
  }
  return [...micros].flatMap(([id, micros]) => {
    const frame = byId.get(id)?.callFrame
    if (frame === undefined || ignored.has(frame.functionName)) return []
    const url = urlAbove(id)
    if (url === profiler) return []
    const place = frame.url === "" ? url : `${frame.url}:${frame.lineNumber + 1}`
    const file = place.replace(/^.*\/(node_modules|packages)\//, "")
    return [
      {
        group: natives.get(frame.functionName) ?? groupOf(url),
        name: `${frame.functionName === "" ? "(anonymous)" : frame.functionName} ${file}`,
        micros
      }
    ]
  })
}

export interface Part {
  readonly name: string
  readonly share: number
}

/** Where a subject's server spends its time while it is asked for nothing else. */
export interface Breakdown {
  readonly name: string
  /** Processor time of a request in microseconds. */
  readonly microsPerRequest: number
  readonly groups: ReadonlyArray<Part>
  readonly functions: ReadonlyArray<Part>
}

const partsOf = (taken: ReadonlyArray<Taken>, by: "group" | "name"): ReadonlyArray<Part> => {
  const total = taken.reduce((sum, { micros }) => sum + micros, 0)
  const parts = Object.entries(Array.groupBy(taken, (each) => each[by])).map(([name, own]) => ({
    name,
    share: own.reduce((sum, { micros }) => sum + micros, 0) / total
  }))
  return Array.sort(
    parts,
    Order.mapInput(Order.flip(Order.Number), ({ share }: Part) => share)
  )
}

/** The environment of a server whose threads are to be profiled, and where they write. */
export const makeProfiling = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-profile-" })
  const script = new URL(`profiled.ts?${new URLSearchParams({ folder })}`, import.meta.url)
  return { folder, env: { NODE_OPTIONS: `--import=${script.href}` } }
})

/** Warms the subject's server up, profiles it under load, and adds up what all its threads did. */
export const profile = Effect.fnUntraced(function* (subject: Subject, folder: string, duration: Duration.Duration) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  /** Has all threads start or stop, and waits for the file that says that they have. */
  const toggle = Effect.fnUntraced(function* (news: "started" | "written") {
    yield* Effect.try({
      try: () => process.kill(subject.server.pid, "SIGUSR2"),
      catch: () => new ServerFailed({ detail: "The server that was to be profiled is gone" })
    })
    const file = path.join(folder, news)
    yield* fs.exists(file).pipe(
      Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: (isThere) => isThere }),
      Effect.timeoutOrElse({
        duration: longestWriting,
        orElse: () => Effect.fail(new ServerFailed({ detail: `No profile was ${news}` }))
      })
    )
    yield* fs.remove(file)
  })
  yield* warmUp(subject, duration)
  // Sampling slows everything down, more or less alike: the shares come from it, their sum does not.
  const { perCpuSecond } = yield* measure(subject, duration)
  yield* toggle("started")
  yield* load(subject.requests, duration)
  yield* toggle("written")
  const names = (yield* fs.readDirectory(folder)).filter((name) => name.endsWith(".cpuprofile"))
  const taken = yield* Effect.forEach(names, (name) =>
    fs
      .readFileString(path.join(folder, name))
      .pipe(Effect.flatMap(Schema.decodeUnknownEffect(CpuProfile)), Effect.map(takenBy))
  )
  return {
    name: subject.name,
    microsPerRequest: 1e6 / perCpuSecond,
    groups: partsOf(taken.flat(), "group"),
    functions: partsOf(taken.flat(), "name").slice(0, mostFunctions)
  } satisfies Breakdown
})
