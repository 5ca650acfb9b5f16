import { Duration, Effect, FileSystem, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL(".", import.meta.url))
const modules = `${folder}node_modules`

/** Longest that the registry may take. */
const installTimeout = Duration.minutes(5)

export const conformanceCli = `${modules}/@modelcontextprotocol/conformance/dist/index.js`
export const inspectorCli = `${modules}/@modelcontextprotocol/inspector/clients/launcher/build/index.js`

/** The packages that test the server could not be installed. */
export class InstallFailed extends Schema.TaggedError<InstallFailed>()("InstallFailed", { output: Schema.String }) {
  override get message() {
    return `npm ci failed in scripts/conformance\n${this.output}`
  }
}

/** Installs this folder's own packages, pinned by its own lock file, unless that very lock file is installed already. */
export const ensurePackages = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const wanted = yield* fs.readFileString(`${folder}package-lock.json`)
  const marker = `${modules}/.installed-lock.json`
  const installed = yield* Effect.orElseSucceed(fs.readFileString(marker), () => "")
  if (installed === wanted) return
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund"]
  const npm = yield* spawner.spawn(
    ChildProcess.make("npm", ["ci", "--prefix", folder, ...flags], { extendEnv: true, stdin: "ignore" })
  )
  const output = Stream.mkString(Stream.decodeText(npm.all))
  const [said, exitCode] = yield* Effect.all([output, npm.exitCode], { concurrency: "unbounded" })
  if (exitCode !== 0) return yield* new InstallFailed({ output: said })
  yield* fs.writeFileString(marker, wanted)
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: installTimeout,
    orElse: () => Effect.fail(new InstallFailed({ output: "It took too long" }))
  })
)
