import { makeEmpty } from "@devops-mcp/testing/GitRepository"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { layerRoots } from "../../src/git/GitAdapter.ts"
import { call } from "./Call.ts"

interface Change {
  readonly path: string
  readonly status: string
  readonly patch: string
}

layer(NodeServices.layer, { excludeTestServices: true })("git patches", (it) => {
  it.effect("stay with their files when a type changes, a mode changes, or a text looks like a header", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { commit, folder, git, parent, write } = yield* makeEmpty()
      yield* write("a-gone.txt", "gone\n")
      yield* write("b-link", "a file first\n")
      yield* write("c-mode.sh", "#!/bin/sh\n")
      yield* write("d-header.txt", "one\n")
      yield* write("e-last.txt", "one\n")
      const before = yield* commit("Before")
      yield* fs.remove(`${folder}/a-gone.txt`)
      yield* fs.remove(`${folder}/b-link`)
      yield* fs.symlink("e-last.txt", `${folder}/b-link`)
      yield* fs.chmod(`${folder}/c-mode.sh`, 0o755)
      yield* write("d-header.txt", "one\ndiff --git a/x b/x\nx\rdiff --git a/y b/y\n\u2028diff --git a/z b/z\n")
      yield* write("e-last.txt", "two\n")
      yield* commit("After")

      const answer = yield* call("diff", { from: before }).pipe(Effect.provide(layerRoots([parent])))
      const files: ReadonlyArray<Change> = answer.files
      expect(files.map(({ path, status }) => [path, status])).toEqual([
        ["a-gone.txt", "deleted"],
        ["b-link", "type_changed"],
        ["c-mode.sh", "modified"],
        ["d-header.txt", "modified"],
        ["e-last.txt", "modified"]
      ])
      for (const { patch, path } of files) {
        expect(patch, path).toBe(yield* git("diff-tree", "-p", before, "HEAD", "--", path))
      }
      expect(answer.truncated).toBe(false)
    })
  )
})
