import { makeEmpty } from "@devops-mcp/testing/GitRepository"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, layer } from "@effect/vitest"
import { Array, Context, Effect, FileSystem, Layer, Result, Schema } from "effect"
import { GitAdapter, layerRoots } from "../../src/git/GitAdapter.ts"
import { call, failure } from "./Call.ts"

/** Every setting that makes plain git run a program of the repository's owner, set to a program that leaves a mark. */
const trap = (script: string) => `
[core]
  repositoryformatversion = 1
  fsmonitor = ${script}
  pager = ${script}
  sshCommand = ${script}
  editor = ${script}
  askPass = ${script}
  hooksPath = hooks
  attributesFile = ${script}.attributes
  worktree = /etc
[extensions]
  partialClone = origin
[pager]
  log = ${script}
  show = ${script}
  blame = ${script}
  grep = ${script}
[diff]
  external = ${script}
[diff "evil"]
  textconv = ${script}
  command = ${script}
[filter "evil"]
  clean = ${script}
  smudge = ${script}
  process = ${script}
[alias]
  log = !${script}
  show = !${script}
  grep = !${script}
[log]
  showSignature = true
[gpg]
  program = ${script}
[grep]
  fallbackToNoIndex = true
[blame]
  ignoreRevsFile = /etc/passwd
[protocol]
  allow = always
[protocol "ext"]
  allow = always
[remote "origin"]
  url = ext::${script}
  promisor = true
  uploadpack = ${script}
`

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const repository = yield* makeEmpty()
  const { commit, folder, git, parent, write } = repository
  const mark = `${parent}/mark`
  const script = `${parent}/run.sh`
  yield* fs.writeFileString(script, `#!/bin/sh\necho "$0 $*" >> ${mark}\nexit 1\n`)
  yield* fs.chmod(script, 0o755)
  yield* write(".gitattributes", "* diff=evil filter=evil\n")
  yield* write("text.txt", "one\ntwo\n")
  yield* write("lost.txt", "this object will be missing\n")
  const first = yield* commit("First")
  yield* write("text.txt", "one\ntwo\nthree\n")
  yield* commit("Second")
  const signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n"
  const plain = yield* git("cat-file", "commit", "HEAD")
  yield* fs.writeFileString(`${parent}/signed`, plain.replace("\n\n", `\n${signature}\n`))
  const signed = (yield* git("hash-object", "-t", "commit", "-w", `${parent}/signed`)).trim()
  yield* git("update-ref", "refs/heads/main", signed)
  const lost = (yield* git("rev-parse", "HEAD:lost.txt")).trim()
  yield* fs.remove(`${folder}/.git/objects/${lost.slice(0, 2)}/${lost.slice(2)}`)
  yield* fs.makeDirectory(`${folder}/.git/hooks`, { recursive: true })
  yield* Effect.forEach(["post-index-change", "pre-auto-gc", "reference-transaction"], (hook) =>
    fs
      .copyFile(script, `${folder}/.git/hooks/${hook}`)
      .pipe(Effect.andThen(fs.chmod(`${folder}/.git/hooks/${hook}`, 0o755)))
  )
  yield* fs.writeFileString(`${folder}/.git/info/attributes`, "* diff=evil filter=evil\n")
  yield* fs.writeFileString(`${folder}/.git/config`, trap(script))
  return { ...repository, first, lost, mark }
})

class Hostile extends Context.Service<Hostile, Effect.Success<typeof make>>()(
  "@devops-mcp/adapters/test/git/Hostile.test/Hostile"
) {}

const Live = Layer.unwrap(Effect.map(Hostile, ({ parent }) => layerRoots([parent]))).pipe(
  Layer.provideMerge(Layer.effect(Hostile, make)),
  Layer.provideMerge(NodeServices.layer)
)

/** Whether anything ran since it was last asked. */
const ran = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { mark } = yield* Hostile
  const there = yield* fs.exists(mark)
  yield* fs.remove(mark, { force: true })
  return there
})

layer(Live, { excludeTestServices: true })("a hostile repository", (it) => {
  it.effect("is a trap for plain git", () =>
    Effect.gen(function* () {
      const { first, git, lost } = yield* Hostile
      for (const command of [
        ["log", "-1"],
        ["diff", first, "HEAD", "--", "text.txt"],
        ["-c", "log.showSignature=false", "show", "--no-ext-diff", "HEAD", "--", "text.txt"],
        ["blame", "--no-ignore-revs-file", "HEAD", "--", "text.txt"],
        ["cat-file", "blob", lost],
        ["--work-tree=.", "status"]
      ]) {
        yield* git(...command)
        expect(yield* ran, command.join(" ")).toBe(true)
      }
    })
  )

  it.effect("runs nothing in any action", () =>
    Effect.gen(function* () {
      const { first, lost } = yield* Hostile
      expect((yield* call("log", {})).commits).toHaveLength(2)
      expect((yield* call("log", { path: "text.txt", message: "First" })).commits).toHaveLength(1)
      expect((yield* call("show", { path: "text.txt" })).files[0].patch).toContain("+three")
      expect((yield* call("diff", { from: first, path: "text.txt", mergeBase: true })).files[0].additions).toBe(1)
      expect((yield* call("blame", { path: "text.txt" })).lines).toHaveLength(3)
      expect((yield* call("grep", { pattern: "two", path: "text.txt" })).matches).toHaveLength(1)
      expect((yield* call("branches", { remote: true })).branches).toHaveLength(1)
      expect((yield* call("tags", {})).tags).toEqual([])
      expect((yield* call("file", { path: "text.txt" })).content).toBe("one\ntwo\nthree\n")
      expect(yield* call("statistics", { path: "text.txt" })).toMatchObject({ commits: 2, additions: 3 })
      expect((yield* call("repositories", {})).repositories).toHaveLength(1)
      expect(lost).toMatch(/^[0-9a-f]{40}$/)
      expect(yield* ran).toBe(false)
    })
  )

  it.effect("fetches nothing when an object is missing", () =>
    Effect.gen(function* () {
      const { parent } = yield* Hostile
      for (const [name, input] of [
        ["file", { path: "lost.txt" }],
        ["blame", { path: "lost.txt" }],
        ["grep", { pattern: "object" }],
        ["statistics", {}]
      ] as const) {
        const result = yield* Effect.result(call(name, input))
        const words = Result.isFailure(result) ? result.failure.detail : ""
        expect(words, name).not.toContain(parent)
        expect(yield* ran, name).toBe(false)
      }
    })
  )

  const fragments = [
    "--output=mark",
    "--upload-pack=./run.sh",
    "-O./run.sh",
    "--open-files-in-pager=./run.sh",
    "--no-index",
    "--ext-diff",
    "--textconv",
    "-",
    "--",
    "..",
    "/",
    "/etc/passwd",
    "HEAD",
    "main",
    ":",
    ":/",
    ":(top)",
    "@{-1}",
    "^{/x}",
    "~9",
    "^",
    "\0",
    "\n",
    "\r",
    " ",
    "$(./run.sh)",
    "`./run.sh`",
    ";./run.sh",
    "|./run.sh",
    "text.txt",
    ".git/config",
    "%00",
    "\u202e",
    "\ud800"
  ]
  const Nasty = Schema.Array(Schema.Union([Schema.Literals(fragments), Schema.String])).check(Schema.isMaxLength(4))

  it.effect.prop(
    "takes nasty strings for what they are: nothing runs, nothing is written, nothing dies",
    {
      parts: Nasty,
      action: Schema.Literals(["log", "show", "diff", "blame", "grep", "file", "statistics", "repository"])
    },
    ({ action, parts }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { folder, parent } = yield* Hostile
        const before = yield* listing(fs, parent, folder)
        const nasty = parts.join("")
        const attempts: ReadonlyArray<readonly [string, Schema.JsonObject]> =
          action === "repository"
            ? [
                ["log", { repository: nasty }],
                ["branches", { repository: `../${nasty}` }]
              ]
            : action === "diff"
              ? [
                  ["diff", { from: nasty }],
                  ["diff", { from: "HEAD", to: nasty }]
                ]
              : action === "grep"
                ? [
                    ["grep", { pattern: nasty }],
                    ["grep", { pattern: "x", ref: nasty }]
                  ]
                : action === "file" || action === "blame"
                  ? [
                      [action, { path: nasty }],
                      [action, { path: "text.txt", ref: nasty }]
                    ]
                  : [
                      [action, { ref: nasty }],
                      [action, { path: nasty }]
                    ]
        for (const [name, input] of attempts) {
          const result = yield* Effect.result(call(name, input))
          if (Result.isFailure(result))
            expect(["invalid_arguments", "not_found", "failed"]).toContain(result.failure.code)
        }
        expect(yield* ran).toBe(false)
        expect(yield* listing(fs, parent, folder)).toEqual(before)
      }),
    { arbitrary: { runs: 60 }, timeout: 60_000 }
  )

  it.effect("refuses what would leave the repository or be an option, before git sees it", () =>
    Effect.gen(function* () {
      for (const [name, input] of [
        ["file", { path: "../project/text.txt" }],
        ["file", { path: "a/../../text.txt" }],
        ["file", { path: "/etc/passwd" }],
        ["file", { path: "--textconv" }],
        ["log", { ref: "--output=mark" }],
        ["log", { ref: "main..HEAD" }],
        ["log", { ref: "main:text.txt" }],
        ["log", { ref: "a\nb" }],
        ["log", { repository: ".." }],
        ["log", { repository: "/etc" }],
        ["log", { since: "yesterday; ./run.sh" }],
        ["statistics", { ref: "--output=mark" }],
        ["statistics", { since: "yesterday; ./run.sh" }],
        ["log", { cursor: "--output=mark" }],
        ["grep", { pattern: "a\nb" }],
        ["diff", { from: "-p" }]
      ] as const) {
        const result = yield* failure(name, input)
        expect(result.code, Object.values(input).join()).toBe("invalid_arguments")
      }
      const adapter = yield* GitAdapter
      expect(Array.every(adapter.actions, ({ inputSchema }) => inputSchema.additionalProperties === false)).toBe(true)
    })
  )
})

/** Every name in the folders where an injected option could write. */
const listing = (fs: FileSystem.FileSystem, ...folders: ReadonlyArray<string>) =>
  Effect.forEach(folders, (folder) => Effect.map(fs.readDirectory(folder), (names) => names.toSorted()))
