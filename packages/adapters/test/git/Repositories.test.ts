import { ToolAdapters } from "@devops-mcp/core/ports/ToolAdapter"
import { makeEmpty } from "@devops-mcp/testing/GitRepository"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, layer } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { GitAdapter, layerConfig, layerRoots } from "../../src/git/GitAdapter.ts"
import { ToolAdaptersLive } from "../../src/ToolAdapters.ts"
import { call, failure } from "./Call.ts"

const names = (answer: { repositories: ReadonlyArray<{ name: string }> }) => answer.repositories.map(({ name }) => name)

const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "roots-" }), fs.realPath)
})

/** A repository with one commit that adds one file, in a folder. */
const repositoryIn = Effect.fnUntraced(function* (parent: string, name: string) {
  const repository = yield* makeEmpty({ parent, name })
  yield* repository.write("name.txt", `${name}\n`)
  yield* repository.commit(`Begin ${name}`)
  return repository
})

const over = (...roots: ReadonlyArray<string>) => Effect.provide(layerRoots(roots))
const withEnvironment = (environment: Record<string, string>) =>
  Effect.provide(
    layerConfig({ whenAbsent: [] }).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))
  )

layer(NodeServices.layer, { excludeTestServices: true })("git repositories", (it) => {
  it.effect("finds repositories below several roots and tells equal names apart", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* temporaryFolder, yield* temporaryFolder]
      for (const [parent, name] of [
        [one, "api"],
        [one, "group/web"],
        [two, "api"]
      ] as const)
        yield* repositoryIn(parent, name)
      yield* Effect.gen(function* () {
        expect(names(yield* call("repositories", {}))).toEqual(["api", "group/web", "api~2"])
        const first = yield* call("log", { repository: "api" })
        const second = yield* call("log", { repository: "api~2" })
        expect([first.repository, second.repository]).toEqual(["api", "api~2"])
        expect((yield* call("file", { repository: "group/web", path: "name.txt" })).content).toBe("group/web\n")
        const ambiguous = yield* failure("log", {})
        expect(ambiguous.code).toBe("invalid_arguments")
        expect(ambiguous.detail).toContain("group/web")
        const paged = yield* call("repositories", { limit: 2 })
        expect(names(yield* call("repositories", { limit: 2, cursor: paged.nextCursor }))).toEqual(["api~2"])
      }).pipe(over(one, two))
    })
  )

  it.effect("serves a root that is itself a repository under its own name", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      const { folder } = yield* repositoryIn(parent, "main")
      yield* Effect.gen(function* () {
        expect(names(yield* call("repositories", {}))).toEqual(["main"])
        expect((yield* call("log", { repository: "main" })).commits).toHaveLength(1)
        expect((yield* call("log", {})).repository).toBe("main")
      }).pipe(over(folder))
    })
  )

  it.effect("takes the only repository beside a deep tree, and finds one below its search by path", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      yield* repositoryIn(parent, "shallow")
      yield* repositoryIn(parent, "a/b/c/d/e/deep")
      yield* Effect.gen(function* () {
        expect((yield* call("log", {})).repository).toBe("shallow")
        expect((yield* call("log", { repository: "a/b/c/d/e/deep" })).commits).toHaveLength(1)
      }).pipe(over(parent))
    })
  )

  it.effect("does not look for a repository above a root", () =>
    Effect.gen(function* () {
      const { folder, write } = yield* repositoryIn(yield* temporaryFolder, "outer")
      yield* write("inner/file.txt", "x")
      yield* Effect.gen(function* () {
        expect(yield* failure("log", {})).toMatchObject({ code: "not_found" })
        expect(yield* failure("log", { repository: "inner" })).toMatchObject({ code: "not_found" })
      }).pipe(over(`${folder}/inner`))
    })
  )

  it.effect("reads bare repositories, linked worktrees and clones with alternates inside the roots", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      const { commit, git } = yield* repositoryIn(parent, "source")
      yield* git("clone", "--quiet", "--bare", ".", "../bare.git")
      yield* git("clone", "--quiet", "--shared", ".", "../shared")
      yield* git("worktree", "add", "--quiet", "-b", "work", "../tree")
      const head = yield* commit("After the clones")
      yield* Effect.gen(function* () {
        const { repositories } = yield* call("repositories", {})
        expect(repositories).toEqual([
          { name: "bare.git", branch: "main", bare: true },
          { name: "shared", branch: "main", bare: false },
          { name: "source", branch: "main", bare: false },
          { name: "tree", branch: "work", bare: false }
        ])
        for (const repository of ["bare.git", "shared", "tree"]) {
          expect((yield* call("file", { repository, path: "name.txt" })).content).toBe("source\n")
          expect((yield* call("blame", { repository, path: "name.txt" })).lines).toHaveLength(1)
          expect((yield* call("grep", { repository, pattern: "source" })).matches).toHaveLength(1)
        }
        expect((yield* call("log", { repository: "source", limit: 1 })).commits[0].sha).toBe(head)
        const remote = yield* call("branches", { repository: "shared", remote: true })
        expect(remote.branches.map(({ name }: { name: string }) => name).toSorted()).toEqual(["main", "origin/main"])
      }).pipe(over(parent))
    })
  )

  it.effect("answers for a repository without commits", () =>
    Effect.gen(function* () {
      const { parent } = yield* makeEmpty()
      yield* Effect.gen(function* () {
        expect(yield* call("log", {})).toMatchObject({ commits: [], nextCursor: null })
        expect(yield* call("branches", {})).toMatchObject({ branches: [] })
        expect(yield* call("tags", {})).toMatchObject({ tags: [] })
        const empty = yield* failure("show", {})
        expect(empty.code).toBe("not_found")
        expect(empty.detail).toContain("no commit yet")
      }).pipe(over(parent))
    })
  )

  it.effect("opens nothing that leads out of the roots", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const [inside, outside] = [yield* temporaryFolder, yield* temporaryFolder]
      const secret = yield* repositoryIn(outside, "secret")
      yield* fs.symlink(secret.folder, `${inside}/link`)
      yield* fs.makeDirectory(`${inside}/dotlink`)
      yield* fs.symlink(`${secret.folder}/.git`, `${inside}/dotlink/.git`)
      yield* fs.makeDirectory(`${inside}/pointer`)
      yield* fs.writeFileString(`${inside}/pointer/.git`, `gitdir: ${secret.folder}/.git\n`)
      const borrowed = yield* makeEmpty({ parent: inside, name: "borrowed" })
      yield* fs.writeFileString(`${borrowed.folder}/.git/objects/info/alternates`, `${secret.folder}/.git/objects\n`)
      const shared = yield* makeEmpty({ parent: inside, name: "shared" })
      yield* fs.writeFileString(`${shared.folder}/.git/commondir`, `${secret.folder}/.git\n`)
      const linked = yield* makeEmpty({ parent: inside, name: "objects" })
      yield* fs.remove(`${linked.folder}/.git/objects`, { recursive: true })
      yield* fs.symlink(`${secret.folder}/.git/objects`, `${linked.folder}/.git/objects`)
      yield* Effect.gen(function* () {
        expect(names(yield* call("repositories", {}))).toEqual([])
        for (const repository of ["link", "dotlink", "pointer", "borrowed", "shared", "objects"]) {
          const refused = yield* failure("log", { repository })
          expect(refused, repository).toMatchObject({ code: "not_found" })
          expect(refused.detail).not.toContain(outside)
        }
      }).pipe(over(inside))
    })
  )

  it.effect("lets a config narrow the roots and never widen them", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const [inside, outside] = [yield* temporaryFolder, yield* temporaryFolder]
      yield* repositoryIn(inside, "group/web")
      yield* repositoryIn(inside, "api")
      yield* repositoryIn(outside, "secret")
      yield* fs.symlink(outside, `${inside}/link`)
      yield* Effect.gen(function* () {
        const { checkConfig } = yield* GitAdapter
        for (const roots of [["group"], [`${inside}/group`]]) {
          yield* checkConfig({ roots })
          expect(names(yield* call("repositories", {}, { roots }))).toEqual(["web"])
          expect(yield* failure("log", { repository: "api" }, { roots })).toMatchObject({ code: "not_found" })
        }
        for (const roots of [[outside], [".."], ["/"], ["link"], ["missing"], ["group", outside], []]) {
          expect(yield* Effect.flip(checkConfig({ roots }))).toMatchObject({ code: "invalid_arguments" })
          expect(yield* failure("repositories", {}, { roots })).toMatchObject({ code: "invalid_arguments" })
        }
      }).pipe(over(inside))
    })
  )

  it.effect("takes its roots from GIT_ROOTS", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* temporaryFolder, yield* temporaryFolder]
      yield* repositoryIn(one, "api")
      yield* repositoryIn(two, "web")
      yield* Effect.gen(function* () {
        expect(names(yield* call("repositories", {}))).toEqual(["api", "web"])
        yield* (yield* GitAdapter).health({})
      }).pipe(withEnvironment({ GIT_ROOTS: `${one}:${two}` }))
    })
  )

  it.effect("has no repositories and is not healthy without roots, or with one that is not there", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const { health } = yield* GitAdapter
        expect(yield* call("repositories", {})).toMatchObject({ repositories: [] })
        expect((yield* Effect.flip(health({}))).detail).toContain("GIT_ROOTS")
      }).pipe(withEnvironment({}))
      yield* Effect.gen(function* () {
        const { health } = yield* GitAdapter
        expect((yield* Effect.flip(health({}))).detail).toContain("number 1 of GIT_ROOTS")
      }).pipe(withEnvironment({ GIT_ROOTS: "/no/such/folder" }))
    })
  )

  it.effect("is among the adapters of the deployment", () =>
    Effect.gen(function* () {
      expect([...(yield* ToolAdapters).keys()]).toEqual(["git"])
    }).pipe(Effect.provide(ToolAdaptersLive))
  )
})
