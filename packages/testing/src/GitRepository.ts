import { Config, Context, Effect, FileSystem, Layer, Path } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

interface CommitOptions {
  readonly author?: string
  readonly date?: string
}

/** An empty repository named `project` in a temporary folder that goes with the scope, and the git program to fill it. */
export const makeEmpty = Effect.fn("GitRepository.makeEmpty")(function* (
  options: { readonly bare?: boolean; readonly parent?: string; readonly name?: string } = {}
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const searchPath = yield* Config.String("PATH")
  const parent = options.parent ?? (yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "git-" }), fs.realPath))
  const folder = path.join(parent, options.name ?? "project")

  const gitWith = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
    spawner.string(
      ChildProcess.make("git", args, {
        cwd: folder,
        stdin: "ignore",
        env: {
          PATH: searchPath,
          LC_ALL: "C.UTF-8",
          GIT_CONFIG_NOSYSTEM: "1",
          GIT_CONFIG_GLOBAL: "/dev/null",
          GIT_AUTHOR_NAME: "Ada Lovelace",
          GIT_AUTHOR_EMAIL: "ada@example.org",
          GIT_COMMITTER_NAME: "Ada Lovelace",
          GIT_COMMITTER_EMAIL: "ada@example.org",
          ...env
        }
      })
    )
  const git = (...args: ReadonlyArray<string>) => gitWith({}, ...args)

  const write = Effect.fnUntraced(function* (file: string, content: string | Uint8Array) {
    const target = path.join(folder, file)
    yield* fs.makeDirectory(path.dirname(target), { recursive: true })
    yield* typeof content === "string" ? fs.writeFileString(target, content) : fs.writeFile(target, content)
  })

  /** Commits everything there is and gives the commit's id. */
  const commit = Effect.fnUntraced(function* (message: string, options: CommitOptions = {}) {
    const date = options.date ?? "2026-01-01T10:00:00Z"
    const name = options.author ?? "Ada Lovelace"
    const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date, GIT_AUTHOR_NAME: name }
    yield* git("add", "--all")
    yield* gitWith(env, "commit", "--quiet", "--allow-empty", "--message", message)
    return (yield* git("rev-parse", "HEAD")).trim()
  })

  yield* fs.makeDirectory(folder, { recursive: true })
  yield* git("init", "--quiet", "--initial-branch=main", ...(options.bare === true ? ["--bare"] : []))
  return { parent, folder, git, gitWith, write, commit }
})

/** File names that break whoever splits git's output at white space, line ends or quotes. */
export const oddNames = ["docs/with space.md", "docs/línea ☃.md", "docs/new\nline.md", 'docs/tab\t"quoted".md'] as const

const make = Effect.gen(function* () {
  const repository = yield* makeEmpty()
  const { commit, git, gitWith, write } = repository
  yield* write("README.md", "# Project\n\nFirst words\n")
  yield* write("src/main.ts", 'export const answer = 42\nexport const question = "?"\n')
  const first = yield* commit("Add the project\n\nIt has a body\nof two lines.", { date: "2026-01-01T10:00:00Z" })

  yield* write("logo.bin", new Uint8Array([0, 1, 2, 253, 254, 255, 0, 10, 0]))
  for (const name of oddNames) yield* write(name, `needle in ${name.length}\n`)
  const second = yield* commit("Add files with odd names", {
    author: "Grace Hopper",
    date: "2026-01-02T11:30:00+02:00"
  })
  yield* gitWith(
    { GIT_COMMITTER_DATE: "2026-01-02T12:00:00Z" },
    "tag",
    "--annotate",
    "v1.0.0",
    "--message",
    "The first release\n\nNotes."
  )
  yield* git("tag", "nightly")

  yield* git("checkout", "--quiet", "-b", "feature")
  yield* write("feature.txt", "needle of the feature\n")
  const feature = yield* commit("Start a feature", { date: "2026-01-03T10:00:00Z" })

  yield* git("checkout", "--quiet", "main")
  yield* git("mv", "src/main.ts", "src/app.ts")
  yield* write("src/app.ts", 'export const answer = 42\nexport const question = "?"\nexport const more = true\n')
  const third = yield* commit("Rename main to app", { author: "Grace Hopper", date: "2026-01-04T10:00:00Z" })

  yield* git("checkout", "--quiet", "-b", "side", first)
  yield* write("side.txt", "from the side\n")
  yield* commit("Work on the side", { date: "2026-01-05T10:00:00Z" })
  yield* git("checkout", "--quiet", "main")
  yield* gitWith(
    { GIT_AUTHOR_DATE: "2026-01-06T10:00:00Z", GIT_COMMITTER_DATE: "2026-01-06T10:00:00Z" },
    "merge",
    "--quiet",
    "--no-ff",
    "--message",
    "Merge the side",
    "side"
  )
  const merge = (yield* git("rev-parse", "HEAD")).trim()
  return { ...repository, commits: { first, second, feature, third, merge } }
})

/**
 * A real repository with a known history: a body, a binary file, odd names, a rename, an unmerged branch `feature`, a
 * merged branch `side`, an annotated tag `v1.0.0` and a plain tag `nightly`. It is removed with the layer.
 */
export class GitRepository extends Context.Service<GitRepository, Effect.Success<typeof make>>()(
  "@devops-mcp/testing/GitRepository"
) {}

/** A fresh copy of the repository. */
export const layer = Layer.effect(GitRepository, make)
