import { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { Array, Context, Effect, FileSystem, Layer, Option, Path, Result } from "effect"
import { invalidArguments, notFound } from "../Action.ts"
import type { GitConfig } from "./GitSchemas.ts"

/** How far below a root repositories are looked for, and how many folders and repositories one search touches. */
const maxDepth = 4
const maxFolders = 5000
const maxRepositories = 500
/** HEAD, `gitdir:`, `commondir` and alternates files are tiny; what is larger is none of ours. */
const maxControlFile = 16_384

/** A repository that may be read. `gitDir` is absolute and free of symbolic links. */
export interface Repository {
  readonly name: string
  readonly gitDir: string
  readonly bare: boolean
  /** The branch HEAD names, if it names one. */
  readonly branch: string | null
}

/** What a search found to its depth; `complete` is false when there were too many folders or repositories. */
export interface Listing {
  readonly repositories: ReadonlyArray<Repository>
  readonly complete: boolean
}

/**
 * The repositories under the deployment's roots. Nothing outside the roots is ever opened, by whatever link, `gitdir:`
 * file or alternates; a config narrows the roots and never widens them.
 */
export class Repositories extends Context.Service<
  Repositories,
  {
    readonly list: (config: GitConfig) => Effect.Effect<Listing, ToolFailure>
    /** The repository of that name, or the only one there is. */
    readonly resolve: (config: GitConfig, name: string | undefined) => Effect.Effect<Repository, ToolFailure>
    /** Fails unless each folder the config names is there and lies in a root. */
    readonly checkConfig: (config: GitConfig) => Effect.Effect<void, ToolFailure>
    /** Fails unless there are roots and every one is there. */
    readonly health: Effect.Effect<void, ToolFailure>
  }
>()("@devops-mcp/adapters/git/Repositories") {}

const make = Effect.fnUntraced(function* (configuredRoots: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const declared = configuredRoots.map((root) => path.resolve(root))

  const isInside = (folder: string, root: string) => {
    const relative = path.relative(root, folder)
    return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)
  }
  const realPath = (file: string) => Effect.option(fs.realPath(file))
  const typeOf = (file: string) =>
    fs.stat(file).pipe(
      Effect.map((info) => info.type),
      Effect.option,
      Effect.map(Option.getOrUndefined)
    )

  const controlFile = Effect.fnUntraced(function* (file: string) {
    const info = yield* Effect.option(fs.stat(file))
    if (Option.isNone(info) || info.value.type !== "File" || info.value.size > maxControlFile) return Option.none()
    return yield* fs.readFileString(file).pipe(
      Effect.map((text) => text.trimEnd()),
      Effect.option
    )
  })

  const rootsOf = Effect.fnUntraced(function* (config: GitConfig) {
    const roots = yield* Effect.forEach(declared, realPath).pipe(Effect.map(Array.getSomes))
    if (config.roots === undefined) return Array.dedupe(roots)
    if (declared.length === 0) return yield* invalidArguments("No folders are configured for git: set GIT_ROOTS")
    const narrowed = yield* Effect.forEach(config.roots, (wanted) =>
      Effect.forEach(roots, (root) => realPath(path.resolve(root, wanted))).pipe(
        Effect.map((found) => Array.getSomes(found).find((folder) => roots.some((root) => isInside(folder, root)))),
        Effect.filterOrFail(
          (folder) => folder !== undefined,
          () => invalidArguments(`The folder '${wanted}' is not there or not in a folder of GIT_ROOTS`)
        )
      )
    )
    return Array.dedupe(narrowed)
  })

  const gitDirOf = Effect.fnUntraced(function* (folder: string) {
    const dotGit = path.join(folder, ".git")
    const type = yield* typeOf(dotGit)
    if (type === "Directory") return Option.some({ gitDir: dotGit, bare: false })
    if (type === "File") {
      const pointer = yield* controlFile(dotGit)
      return pointer.pipe(
        Option.filter((text) => text.startsWith("gitdir: ") && !text.includes("\0")),
        Option.map((text) => ({ gitDir: path.resolve(folder, text.slice("gitdir: ".length)), bare: false }))
      )
    }
    const parts = yield* Effect.forEach(["HEAD", "objects", "refs"], (part) => typeOf(path.join(folder, part)))
    return parts[0] === "File" && parts[1] === "Directory" && parts[2] === "Directory"
      ? Option.some({ gitDir: folder, bare: true })
      : Option.none()
  })

  /** Every place git would read objects from, real. */
  const storesOf = Effect.fnUntraced(function* (gitDir: string) {
    const common = yield* controlFile(path.join(gitDir, "commondir"))
    const commonDir = Option.match(common, { onNone: () => gitDir, onSome: (text) => path.resolve(gitDir, text) })
    const objects = path.join(commonDir, "objects")
    const alternates = yield* controlFile(path.join(objects, "info", "alternates"))
    const others = Option.getOrElse(alternates, () => "")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
    return [
      commonDir,
      objects,
      path.join(objects, "pack"),
      path.join(commonDir, "refs"),
      ...others.map((line) => path.resolve(objects, line))
    ]
  })

  /** The repository at a folder: none when there is none, a failure when part of it lies outside the roots. */
  const open = Effect.fnUntraced(function* (roots: ReadonlyArray<string>, folder: string, name: string) {
    const outside = notFound(`The repository '${name}' leads outside the folders this tool may read`)
    const real = yield* realPath(folder)
    if (Option.isNone(real)) return Option.none<Repository>()
    if (!roots.some((root) => isInside(real.value, root))) return yield* outside
    const found = yield* gitDirOf(real.value)
    if (Option.isNone(found)) return Option.none<Repository>()
    const gitDir = yield* realPath(found.value.gitDir)
    if (Option.isNone(gitDir)) return Option.none<Repository>()
    const head = yield* controlFile(path.join(gitDir.value, "HEAD"))
    if (Option.isNone(head)) return Option.none<Repository>()
    const places = yield* Effect.forEach(yield* storesOf(gitDir.value), realPath)
    const all = [gitDir.value, ...Array.getSomes(places)]
    if (!all.every((place) => roots.some((root) => isInside(place, root)))) return yield* outside
    const branch = /^ref: refs\/heads\/(.+)$/.exec(head.value)?.[1] ?? null
    return Option.some<Repository>({ name, gitDir: gitDir.value, bare: found.value.bare, branch })
  })

  /** Folders that may hold repositories, breadth first, never through a link and never into a repository. */
  const search = Effect.fnUntraced(function* (
    roots: ReadonlyArray<string>,
    rootIndex: number,
    budget: { folders: number }
  ) {
    const root = roots[rootIndex] ?? ""
    const found: Array<Repository> = []
    let level = [root]
    for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
      const next: Array<string> = []
      for (const folder of level) {
        if (budget.folders-- <= 0 || found.length >= maxRepositories) return { found, complete: false }
        const name = folder === root ? path.basename(root) : path.relative(root, folder)
        const repository = yield* Effect.result(open(roots, folder, name))
        if (Result.isFailure(repository)) continue
        if (Option.isSome(repository.success)) {
          found.push(repository.success.value)
          continue
        }
        const entries = yield* fs.readDirectoryEntries(folder).pipe(Effect.orElseSucceed(() => []))
        const folders = entries.filter(({ name, type }) => type === "Directory" && !/^\.|^node_modules$/.test(name))
        next.push(...folders.map((entry) => path.join(folder, entry.name)).toSorted())
      }
      level = next
    }
    return { found, complete: true }
  })

  const list = Effect.fn("Repositories.list")(function* (config: GitConfig) {
    const roots = yield* rootsOf(config)
    const budget = { folders: maxFolders }
    const byName = new Map<string, Repository>()
    let complete = true
    for (const index of roots.keys()) {
      const result = yield* search(roots, index, budget)
      complete = complete && result.complete
      for (const repository of result.found) {
        const name = byName.has(repository.name) ? `${repository.name}~${index + 1}` : repository.name
        if ([...byName.values()].some(({ gitDir }) => gitDir === repository.gitDir)) continue
        byName.set(name, { ...repository, name })
      }
    }
    return { repositories: [...byName.values()].slice(0, maxRepositories), complete }
  })

  const only = Effect.fnUntraced(function* (config: GitConfig) {
    const { complete, repositories } = yield* list(config)
    const [first, second] = repositories
    if (first === undefined) return yield* notFound("There is no repository under the folders this tool may read")
    if (second === undefined && complete) return first
    const names = repositories
      .slice(0, 10)
      .map(({ name }) => name)
      .join(", ")
    return yield* invalidArguments(`There are several repositories; give \`repository\`, for example one of: ${names}`)
  })

  const resolve = Effect.fn("Repositories.resolve")(function* (config: GitConfig, name: string | undefined) {
    if (name === undefined) return yield* only(config)
    const roots = yield* rootsOf(config)
    const suffix = /^(.+)~([1-9]\d?)$/.exec(name)
    const candidates = [
      ...roots.map((root) => ({ root, relative: name })),
      ...(suffix === null
        ? []
        : roots.slice(Number(suffix[2]) - 1, Number(suffix[2])).map((root) => ({ root, relative: suffix[1] ?? "" })))
    ]
    for (const { relative, root } of candidates) {
      const isRoot = path.basename(root) === relative
      const repository = yield* open(roots, isRoot ? root : path.join(root, relative), name)
      if (Option.isSome(repository)) return repository.value
      const below = isRoot ? yield* open(roots, path.join(root, relative), name) : Option.none()
      if (Option.isSome(below)) return below.value
    }
    return yield* notFound(`There is no repository '${name}'; \`repositories\` lists what there is`)
  })

  const checkConfig = Effect.fn("Repositories.checkConfig")((config: GitConfig) => Effect.asVoid(rootsOf(config)))

  const health = Effect.gen(function* () {
    const unavailable = (detail: string) => new ToolFailure({ code: "unavailable", detail, retryable: false })
    if (declared.length === 0) return yield* unavailable("No folders are configured for git: set GIT_ROOTS")
    const missing = yield* Effect.forEach(declared, realPath).pipe(Effect.map(Array.findFirstIndex(Option.isNone)))
    if (Option.isSome(missing))
      return yield* unavailable(`Folder number ${missing.value + 1} of GIT_ROOTS is not there`)
  }).pipe(Effect.withSpan("Repositories.health"))

  return Repositories.of({ list, resolve, checkConfig, health })
})

/** Serves the repositories under these folders; relative ones are taken from the working folder. */
export const layer = (
  roots: ReadonlyArray<string>
): Layer.Layer<Repositories, never, FileSystem.FileSystem | Path.Path> => Layer.effect(Repositories, make(roots))
