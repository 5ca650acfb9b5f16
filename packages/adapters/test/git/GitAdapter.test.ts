import { GitRepository, layer as repositoryLayer, oddNames } from "@devops-mcp/testing/GitRepository"
import { toolAdapterSuite } from "@devops-mcp/testing/conformance/ToolAdapter"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { GitAdapter, layerRoots } from "../../src/git/GitAdapter.ts"
import { layerNoDeps } from "../../src/ToolAdapters.ts"
import { call, failure } from "./Call.ts"

const Adapter = Layer.unwrap(Effect.map(GitRepository, ({ parent }) => layerRoots([parent])))
const Live = Adapter.pipe(Layer.provideMerge(repositoryLayer), Layer.provideMerge(NodeServices.layer))

toolAdapterSuite(
  "git",
  layerNoDeps.pipe(Layer.provide(Live)),
  Effect.succeed({
    kind: "git",
    config: {},
    badConfig: { roots: ["/"] },
    samples: {
      repositories: [{}, { limit: 1 }],
      log: [{}, { ref: "feature", path: "README.md", author: "ada", since: "2025-12-31", limit: 1 }],
      show: [{}, { ref: "v1.0.0" }, { ref: "HEAD~1", patch: false }],
      diff: [{ from: "v1.0.0" }, { from: "main", to: "feature", mergeBase: true }],
      blame: [{ path: "README.md" }, { path: "src/app.ts", startLine: 2, endLine: 3 }],
      grep: [
        { pattern: "needle" },
        { pattern: "NEEDLE.*", regex: true, ignoreCase: true },
        { pattern: "nothing like it" }
      ],
      branches: [{}, { remote: true, limit: 1 }],
      tags: [{}],
      file: [{ path: "README.md" }, { path: "logo.bin" }, { path: oddNames[2], ref: "main" }],
      statistics: [{}, { ref: "v1.0.0", path: "docs", since: "2025-12-31", until: "2026-12-31", limit: 1 }]
    }
  })
)

layer(Live, { excludeTestServices: true })("git actions, beside git itself", (it) => {
  it.effect("lists the repository and takes it when none is named", () =>
    Effect.gen(function* () {
      expect(yield* call("repositories", {})).toEqual({
        repositories: [{ name: "project", branch: "main", bare: false }],
        nextCursor: null,
        truncated: false
      })
      expect(yield* call("log", { limit: 1 })).toEqual(yield* call("log", { limit: 1, repository: "project" }))
    })
  )

  it.effect("log gives what git log gives", () =>
    Effect.gen(function* () {
      const { commits, git } = yield* GitRepository
      const { commits: found } = yield* call("log", {})
      const shas = (yield* git("log", "--format=%H")).trim().split("\n")
      expect(found.map(({ sha }: { sha: string }) => sha)).toEqual(shas)
      expect(found.at(-1)).toEqual({
        sha: commits.first,
        shortSha: (yield* git("rev-parse", "--short", commits.first)).trim(),
        author: { name: "Ada Lovelace", email: "ada@example.org" },
        date: "2026-01-01T10:00:00.000Z",
        subject: "Add the project",
        body: "It has a body\nof two lines."
      })
      const second = found.find(({ sha }: { sha: string }) => sha === commits.second)
      expect(second.date).toBe("2026-01-02T09:30:00.000Z")
    })
  )

  it.effect("log pages through every commit once", () =>
    Effect.gen(function* () {
      const { git } = yield* GitRepository
      const seen: Array<string> = []
      let cursor: string | null = null
      do {
        const answer: { commits: Array<{ sha: string }>; nextCursor: string | null } = yield* call("log", {
          limit: 2,
          ...(cursor === null ? {} : { cursor })
        })
        seen.push(...answer.commits.map(({ sha }) => sha))
        cursor = answer.nextCursor
      } while (cursor !== null)
      expect(seen).toEqual((yield* git("log", "--format=%H")).trim().split("\n"))
    })
  )

  it.effect("log filters by author, message, path and time", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const shas = (input: Record<string, string>) =>
        Effect.map(call("log", input), (answer) => answer.commits.map(({ sha }: { sha: string }) => sha))
      expect(yield* shas({ author: "hopper" })).toEqual([commits.third, commits.second])
      expect(yield* shas({ message: "RENAME" })).toEqual([commits.third])
      expect(yield* shas({ message: "R.name" })).toEqual([])
      expect(yield* shas({ path: oddNames[2] })).toEqual([commits.second])
      expect(yield* shas({ until: "2026-01-01T10:00:00Z" })).toEqual([commits.first])
      expect(yield* shas({ since: "2026-01-06" })).toEqual([commits.merge])
      expect(yield* shas({ ref: "feature", since: "2026-01-03T10:00:00+00:00" })).toEqual([commits.feature])
    })
  )

  it.effect("show gives the message, the parents and the whole first commit", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const answer = yield* call("show", { ref: commits.first })
      expect(answer.commit).toMatchObject({ sha: commits.first, parents: [], subject: "Add the project" })
      expect(answer.stats).toEqual({ files: 2, additions: 5, deletions: 0 })
      expect(answer.truncated).toBe(false)
      expect(answer.files[0]).toMatchObject({ path: "README.md", status: "added", additions: 3, binary: false })
      expect(answer.files[0].patch).toContain("+First words\n")
    })
  )

  it.effect("show compares a merge with its first parent", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const answer = yield* call("show", { ref: "main" })
      expect(answer.commit.parents).toHaveLength(2)
      expect(answer.commit.parents[0]).toBe(commits.third)
      expect(answer.files.map(({ path }: { path: string }) => path)).toEqual(["side.txt"])
    })
  )

  it.effect("diff reports a rename and each file's own patch", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const answer = yield* call("diff", { from: commits.second, to: commits.third })
      expect(answer).toMatchObject({ from: commits.second, to: commits.third, truncated: false })
      expect(answer.files).toHaveLength(1)
      expect(answer.files[0]).toMatchObject({
        path: "src/app.ts",
        oldPath: "src/main.ts",
        status: "renamed",
        additions: 1,
        deletions: 0
      })
    })
  )

  it.effect("diff gives odd names as they are, and binary files without a patch", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const { files } = yield* call("diff", { from: commits.first, to: commits.second })
      expect(files.map(({ path }: { path: string }) => path).toSorted()).toEqual([...oddNames, "logo.bin"].toSorted())
      const logo = files.find(({ path }: { path: string }) => path === "logo.bin")
      expect(logo).toEqual({ path: "logo.bin", status: "added", binary: true, additions: 0, deletions: 0 })
      for (const name of oddNames) {
        const file = files.find(({ path }: { path: string }) => path === name)
        expect(file.patch, name).toContain(`+needle in ${name.length}\n`)
        const narrowed = yield* call("diff", { from: commits.first, to: commits.second, path: name })
        expect(narrowed.files).toEqual([file])
      }
    })
  )

  it.effect("diff from the merge base shows one side only", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const answer = yield* call("diff", { from: "main", to: "feature", mergeBase: true })
      expect(answer.from).toBe(commits.second)
      expect(answer.files.map(({ path }: { path: string }) => path)).toEqual(["feature.txt"])
      const direct = yield* call("diff", { from: "main", to: "feature" })
      expect(direct.stats.files).toBeGreaterThan(1)
    })
  )

  it.effect("blame names the commit of each line", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      const answer = yield* call("blame", { path: "src/app.ts" })
      expect(answer.nextLine).toBeNull()
      expect(answer.lines.map(({ line, sha }: { line: number; sha: string }) => [line, sha])).toEqual([
        [1, commits.first],
        [2, commits.first],
        [3, commits.third]
      ])
      expect(answer.lines[2]).toEqual({
        line: 3,
        sha: commits.third,
        author: "Grace Hopper",
        date: "2026-01-04T10:00:00.000Z",
        text: "export const more = true"
      })
      const part = yield* call("blame", { path: "src/app.ts", startLine: 2, endLine: 2 })
      expect(part.lines).toEqual([answer.lines[1]])
      expect(part.nextLine).toBe(3)
      expect((yield* failure("blame", { path: "src/app.ts", startLine: 9 })).detail).toContain("only 3 lines")
      for (const path of oddNames) expect((yield* call("blame", { path })).lines).toHaveLength(1)
    })
  )

  it.effect("grep finds plain text in files of any name, and pages", () =>
    Effect.gen(function* () {
      const { matches } = yield* call("grep", { pattern: "needle" })
      expect(matches.map(({ path }: { path: string }) => path).toSorted()).toEqual([...oddNames].toSorted())
      expect(matches).toContainEqual({ path: oddNames[2], line: 1, text: `needle in ${oddNames[2].length}` })
      const first = yield* call("grep", { pattern: "needle", limit: 3 })
      const rest = yield* call("grep", { pattern: "needle", limit: 3, cursor: first.nextCursor })
      expect([...first.matches, ...rest.matches]).toEqual(matches)
      expect(rest.nextCursor).toBeNull()
      expect((yield* call("grep", { pattern: "n..dle" })).matches).toEqual([])
      expect((yield* call("grep", { pattern: "N..DLE", regex: true, ignoreCase: true })).matches).toEqual(matches)
      expect((yield* call("grep", { pattern: "needle", ref: "feature", path: "feature.txt" })).matches).toHaveLength(1)
    })
  )

  it.effect("grep refuses a broken regular expression and takes options for text", () =>
    Effect.gen(function* () {
      const broken = yield* failure("grep", { pattern: "(", regex: true })
      expect(broken.code).toBe("invalid_arguments")
      expect(broken.detail).toMatch(/Unmatched/)
      expect((yield* call("grep", { pattern: "--open-files-in-pager=touch /tmp/pwned" })).matches).toEqual([])
    })
  )

  it.effect("branches and tags give what for-each-ref gives", () =>
    Effect.gen(function* () {
      const { commits, git } = yield* GitRepository
      const { branches } = yield* call("branches", {})
      expect(branches.map(({ name }: { name: string }) => name)).toEqual(["main", "side", "feature"])
      expect(branches[0]).toEqual({
        name: "main",
        remote: false,
        current: true,
        sha: commits.merge,
        author: "Ada Lovelace",
        date: "2026-01-06T10:00:00.000Z",
        subject: "Merge the side"
      })
      const { nextCursor, tags } = yield* call("tags", {})
      expect(nextCursor).toBeNull()
      expect(tags).toEqual([
        {
          name: "v1.0.0",
          sha: (yield* git("rev-parse", "v1.0.0^{commit}")).trim(),
          annotated: true,
          date: "2026-01-02T12:00:00.000Z",
          tagger: "Ada Lovelace",
          message: "The first release\n\nNotes."
        },
        { name: "nightly", sha: commits.second, annotated: false, date: "2026-01-02T09:30:00.000Z" }
      ])
      const one = yield* call("branches", { limit: 2 })
      expect((yield* call("branches", { limit: 2, cursor: one.nextCursor })).branches).toEqual(branches.slice(2))
    })
  )

  it.effect("file gives a revision's text, parts of it, and describes what is not text", () =>
    Effect.gen(function* () {
      const { commits } = yield* GitRepository
      expect(yield* call("file", { path: "src/main.ts", ref: commits.first })).toMatchObject({
        commit: commits.first,
        content: 'export const answer = 42\nexport const question = "?"\n',
        nextLine: null,
        endLine: 2,
        binary: false
      })
      const part = yield* call("file", { path: "README.md", startLine: 1, endLine: 2 })
      expect(part).toMatchObject({ content: "# Project\n\n", nextLine: 3 })
      expect(yield* call("file", { path: "logo.bin" })).toMatchObject({ binary: true, content: "", size: 9 })
      for (const path of oddNames) {
        expect((yield* call("file", { path })).content).toBe(`needle in ${path.length}\n`)
      }
      const folder = yield* failure("file", { path: "src" })
      expect(folder.code).toBe("invalid_arguments")
      expect(folder.detail).toContain("app.ts")
      expect((yield* failure("file", { path: "README.md", startLine: 40 })).detail).toContain("only 3 lines")
    })
  )

  it.effect("says what it did not find", () =>
    Effect.gen(function* () {
      const ref = yield* failure("log", { ref: "no-such-branch" })
      expect(ref).toMatchObject({ code: "not_found", retryable: false })
      expect(ref.detail).toContain("'no-such-branch'")
      expect(yield* failure("file", { path: "nope.txt" })).toMatchObject({ code: "not_found" })
      expect(yield* failure("log", { repository: "other" })).toMatchObject({ code: "not_found" })
      expect(yield* failure("show", { ref: "HEAD^{tree}" })).toMatchObject({ code: "not_found" })
    })
  )

  it.effect("every action only reads", () =>
    Effect.gen(function* () {
      const adapter = yield* GitAdapter
      expect(new Set(adapter.actions.map(({ risk }) => risk))).toEqual(new Set(["read"]))
    })
  )
})
