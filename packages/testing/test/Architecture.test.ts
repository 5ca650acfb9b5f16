import { assert, describe, it } from "@effect/vitest"
import { globSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8")

/** A package imports only from the rows above its own; `testing` may import everything and only tests import it. */
const rows = [
  ["domain"],
  ["resilience"],
  ["observability"],
  ["contract"],
  ["core"],
  ["database", "cache", "queue", "storage", "embeddings", "adapters"],
  ["infrastructure"],
  ["mcp-server", "http-api", "worker"],
  ["cli"]
]

const importsOf = (source: string) =>
  [...source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].flatMap((match) => match[1] ?? [])

const sourcesOf = (name: string) =>
  globSync(`packages/${name}/src/**/*.ts`, { cwd: root }).map((path) => ({ path, imports: importsOf(read(path)) }))

describe("architecture", () => {
  it("has every package in exactly one row", () => {
    assert.sameMembers([...rows.flat(), "testing"], readdirSync(`${root}/packages`))
  })

  for (const [index, row] of rows.entries()) {
    for (const name of row) {
      it(`${name} imports only from the rows above it`, () => {
        const allowed = new Set([name, ...rows.slice(0, index).flat()])
        const sources = sourcesOf(name)
        assert.isAbove(sources.length, 0)
        for (const { imports, path } of sources) {
          for (const target of imports) {
            const other = /^@devops-mcp\/([^/]+)\//.exec(target)?.[1]
            assert.isTrue(other === undefined || allowed.has(other), `${path} imports ${target}`)
            assert.notMatch(target, /^\.\.?\/.*packages\//, `${path} reaches into another package by a path`)
          }
        }
      })
    }
  }

  it("domain imports effect alone", () => {
    for (const { imports, path } of sourcesOf("domain")) {
      for (const target of imports) assert.match(target, /^(effect(\/|$)|\.\/)/, path)
    }
  })

  it("programs' mains are maps of Layers of at most 40 lines", () => {
    for (const name of ["mcp-server", "http-api", "worker"]) {
      assert.isAtMost(read(`packages/${name}/src/main.ts`).split("\n").length, 40)
    }
  })

  it("the README shows the packages that there are, in the order of the rows", () => {
    const shown = [...read("README.md").matchAll(/^ {2}([a-z-]+)\/ /gm)].flatMap((match) => match[1] ?? [])
    assert.deepStrictEqual(shown, [...rows.flat(), "testing"])
  })

  it(".env.example names every variable that the programs read, and no other", () => {
    const named = new Set(
      [...read(".env.example").matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].flatMap((match) => match[1] ?? [])
    )
    const used = new Set(
      rows
        .flat()
        .flatMap((name) => globSync(`packages/${name}/src/**/*.ts`, { cwd: root }))
        .map(read)
        .filter((source) => /\bConfig\b|\bProcessEnv\b/.test(source))
        .flatMap((source) => [...source.matchAll(/"((?:[A-Z0-9]+_)+[A-Z0-9]+|PORT|HOST)"/g)])
        .flatMap((match) => match[1] ?? [])
        // The standard's other names are the exporter's own business.
        .filter((name) => !name.startsWith("OTEL_") || name === "OTEL_EXPORTER_OTLP_ENDPOINT")
    )
    assert.deepStrictEqual([...named].toSorted(), [...used].toSorted())
  })
})
