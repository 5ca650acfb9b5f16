import { Git, layer as gitLayer } from "../../src/git/Git.ts"
import { layerRoots } from "../../src/git/GitAdapter.ts"
import { makeCounter } from "../../src/git/Statistics.ts"
import { GitRepository, layer as repositoryLayer, makeEmpty } from "@devops-mcp/testing/GitRepository"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, it as test, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { call, failure } from "./Call.ts"

const Adapter = Layer.unwrap(Effect.map(GitRepository, ({ parent }) => layerRoots([parent])))
const Live = Layer.merge(Adapter, gitLayer).pipe(
  Layer.provideMerge(repositoryLayer),
  Layer.provideMerge(NodeServices.layer)
)

layer(Live, { excludeTestServices: true })("git statistics, beside git itself", (it) => {
  it.effect("counts commits, authors and lines", () =>
    Effect.gen(function* () {
      const { git } = yield* GitRepository
      const found = yield* call("statistics", { repository: "project" })
      const authored = (yield* git("shortlog", "--summary", "--numbered", "HEAD")).trim().split("\n")
      const names = authored.map((line) => line.trim().split("\t"))
      const numbers = (yield* git("log", "--numstat", "--format=")).split("\n").map((line) => line.split("\t"))
      const sum = (column: number) => numbers.reduce((total, columns) => total + (Number(columns[column]) || 0), 0)
      expect(found).toMatchObject({
        commits: names.reduce((total, [count]) => total + Number(count), 0),
        additions: sum(0),
        deletions: sum(1),
        // Every commit of the repository has the same address.
        authorCount: 1,
        first: "2026-01-01T10:00:00.000Z",
        last: "2026-01-06T10:00:00.000Z",
        truncated: false
      })
      expect(found.authors).toMatchObject([{ email: "ada@example.org", commits: found.commits }])
      expect(found.months).toEqual([
        { month: "2026-01", authors: 1, commits: found.commits, additions: sum(0), deletions: sum(1) }
      ])
    })
  )

  it.effect("counts only what is asked for", () =>
    Effect.gen(function* () {
      const commits = (input: Schema.JsonObject) =>
        Effect.map(call("statistics", { repository: "project", ...input }), (found) => found.commits)
      expect(yield* commits({ until: "2026-01-02" })).toBe(1)
      expect(yield* commits({ since: "2026-01-05", until: "2026-01-05T10:00:00Z" })).toBe(1)
      expect(yield* commits({ path: "side.txt" })).toBe(1)
      expect(yield* commits({ ref: "v1.0.0" })).toBe(2)
      expect(yield* call("statistics", { repository: "project", since: "2027-01-01" })).toEqual({
        repository: "project",
        commits: 0,
        additions: 0,
        deletions: 0,
        authorCount: 0,
        authors: [],
        months: [],
        truncated: false
      })
      expect((yield* failure("statistics", { repository: "project", ref: "nowhere" })).code).toBe("not_found")
    })
  )

  it.effect("reads more output than is kept of any other action, and lists the first authors only", () =>
    Effect.gen(function* () {
      const { parent } = yield* GitRepository
      const { git, gitWith, write } = yield* makeEmpty({ parent, name: "wide" })
      // A path of 190 characters times 2,000 files in six commits is 2 MB of output.
      const deep = `${"d".repeat(90)}/${"e".repeat(90)}`
      yield* Effect.forEach(
        Array.from({ length: 2000 }, (_, index) => index),
        (index) => write(`${deep}/${index}.txt`, `${index}\n`),
        { concurrency: 16 }
      )
      yield* git("add", "--all")
      yield* git("commit", "--quiet", "--message", "add")
      yield* git("rm", "-r", "--quiet", "--cached", ".")
      yield* git("commit", "--quiet", "--message", "remove")
      for (const author of ["Grace", "Joan"]) {
        yield* git("add", "--all")
        const env = { GIT_AUTHOR_NAME: author, GIT_AUTHOR_EMAIL: `${author}@example.org` }
        yield* gitWith(env, "commit", "--quiet", "--message", "add again")
        yield* git("rm", "-r", "--quiet", "--cached", ".")
        yield* git("commit", "--quiet", "--message", "remove again")
      }
      const found = yield* call("statistics", { repository: "wide", limit: 1 })
      expect(found).toMatchObject({
        commits: 6,
        additions: 6000,
        deletions: 6000,
        authorCount: 3,
        authors: [{ name: "Ada Lovelace", commits: 4, additions: 2000, deletions: 6000 }],
        truncated: true
      })
    })
  )

  it.effect("says when git fails instead of giving half of the numbers", () =>
    Effect.gen(function* () {
      const git = yield* Git
      const { folder } = yield* GitRepository
      const lines: Array<string> = []
      const repository = { name: "project", gitDir: `${folder}/.git`, bare: false, branch: "main" }
      const failed = yield* Effect.flip(
        git.lines(repository, ["log", "--format=%H", "0000000"], (line) => lines.push(line))
      )
      expect([failed.code, lines]).toEqual(["failed", []])
      yield* git.lines(repository, ["log", "--format=%an"], (line) => lines.push(line))
      expect(new Set(lines)).toEqual(new Set(["Ada Lovelace", "Grace Hopper"]))
    })
  )
})

const Numbers = Schema.Array(
  Schema.Struct({
    author: Schema.Literals(["ada", "ADA", "grace", "joan"]),
    month: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
    added: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })),
    binary: Schema.Boolean
  })
).check(Schema.isMaxLength(30))

test.prop("the parts always add up to the whole", { commits: Numbers }, ({ commits }) => {
  const counter = makeCounter()
  for (const { added, author, binary, month } of commits) {
    counter.line(`\x01${Date.UTC(2026, month - 1) / 1000}\0${author}@x\0${author}`)
    counter.line("")
    counter.line(binary ? "-\t-\tlogo.bin" : `${added}\t1\ta\tb`)
  }
  const { additions, authors, commits: total, months } = counter.result(200)
  const sum = (parts: ReadonlyArray<{ readonly commits: number; readonly additions: number }>) => [
    parts.reduce((all, part) => all + part.commits, 0),
    parts.reduce((all, part) => all + part.additions, 0)
  ]
  expect(total).toBe(commits.length)
  expect(sum(authors)).toEqual([total, additions])
  expect(sum(months)).toEqual([total, additions])
  expect(authors.length).toBeLessThanOrEqual(3)
})
