import { Chunker } from "@devops-mcp/core/ports/Chunker"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import * as ChunkerLive from "../src/Chunker.ts"

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "")

const sentence = (n: number) => `Sentence number ${n} tells of a pod that was restarted by the kubelet.`

const Piece = Schema.Struct({
  text: Schema.Union([
    Schema.String,
    Schema.Literals(["word", "A sentence.", "\n\n", "\n", "  ", "。", "x".repeat(900), "😀"])
  ]),
  times: Schema.Literals([1, 3, 40, 300]),
  between: Schema.Literals(["", " ", "\n", "\n\n"])
})

layer(ChunkerLive.layer, { excludeTestServices: true })("Chunker", (it) => {
  it.effect("gives nothing for a text without words, and a short text whole", () =>
    Effect.gen(function* () {
      const { chunk } = yield* Chunker
      for (const blank of ["", " ", "\n\t \u00a0\n"]) assert.deepStrictEqual(chunk(blank), [])
      assert.deepStrictEqual(chunk("  One line.\n\nAnother.  "), ["One line.\n\nAnother."])
    })
  )

  it.effect("prefers the end of a paragraph to that of a sentence to that of a word", () =>
    Effect.gen(function* () {
      const { chunk } = yield* Chunker
      const paragraph = (from: number) => Array.from({ length: 10 }, (_, n) => sentence(from + n)).join(" ")
      assert.deepStrictEqual(chunk([paragraph(10), paragraph(20), paragraph(30), paragraph(40)].join("\n\n")), [
        paragraph(10),
        paragraph(20),
        paragraph(30),
        paragraph(40)
      ])
      const sentences = chunk(Array.from({ length: 60 }, (_, n) => sentence(n)).join(" "))
      assert.isAbove(sentences.length, 2)
      for (const passage of sentences) assert.match(passage, /^Sentence .*\.$/)
      const unpunctuated = chunk("kubelet restarted ".repeat(200))
      for (const passage of unpunctuated) assert.match(passage, /^(kubelet|restarted)( kubelet| restarted)*$/)
    })
  )

  it.effect("cuts a word longer than a passage, but never a character", () =>
    Effect.gen(function* () {
      const { chunk } = yield* Chunker
      const word = `x${"😀".repeat(2_000)}`
      const passages = chunk(word)
      assert.strictEqual(passages.join(""), word)
      for (const passage of passages) assert.isTrue(passage.isWellFormed())
    })
  )

  it.effect.prop(
    "keeps every word in its order, and every passage within the bound",
    { pieces: Schema.Array(Piece) },
    ({ pieces }) =>
      Effect.gen(function* () {
        const { chunk } = yield* Chunker
        const text = pieces.map((piece) => (piece.text + piece.between).repeat(piece.times)).join("")
        const passages = chunk(text)
        for (const passage of passages) assert.isTrue(passage.length > 0 && passage.length <= ChunkerLive.longestChunk)
        assert.strictEqual(passages.join("").replace(/\s/g, ""), text.replace(/\s/g, ""))
        if (words(text).every((word) => word.length <= ChunkerLive.longestChunk && !/[。！？]/.test(word))) {
          assert.deepStrictEqual(passages.flatMap(words), words(text))
        }
      })
  )

  it.effect("is linear in the length of the text", () =>
    Effect.gen(function* () {
      const { chunk } = yield* Chunker
      const text = `${" ".repeat(300_000)}${"x".repeat(300_000)}${"\n \n".repeat(100_000)}${"a. ".repeat(100_000)}`
      const [elapsed, passages] = yield* Effect.timed(Effect.sync(() => chunk(text)))
      assert.isAbove(passages.length, 250)
      assert.isBelow(Duration.toMillis(elapsed), 10_000)
    })
  )
})
