import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import * as TokenCounterLive from "../src/TokenCounter.ts"

const expected = (text: string) => countTokens(text, { disallowedSpecial: new Set() })

const runs = ["a", "A", "=", " ", "\t", "\n", "漢", "😀", "é", "\ud800", "ab", "xyzzy", "-=", " \n", "'s"]

layer(TokenCounterLive.layer, { excludeTestServices: true })("TokenCounter", (it) => {
  it.effect("counts as the library does", () =>
    Effect.gen(function* () {
      const counter = yield* TokenCounter
      const prose =
        "The pod `api-7f9c` was OOMKilled: memory 512Mi/512Mi.\n\n  - name: api\n    image: ghcr.io/x/api:1.2.3\n"
      for (const text of ["", " ", "hello", prose, prose.repeat(50), "a<|endoftext|>b", "<|im_start|>".repeat(99)]) {
        assert.strictEqual(counter.count(text), expected(text))
      }
      assert.isAbove(counter.count("a<|endoftext|>b"), 3)
    })
  )

  it.effect.prop("counts any text as the library does", { text: Schema.String }, ({ text }) =>
    Effect.gen(function* () {
      const counter = yield* TokenCounter
      assert.strictEqual(counter.count(text), expected(text))
    })
  )

  it.effect.prop(
    "counts long runs exactly, whatever stands around them",
    {
      parts: Schema.Array(
        Schema.Struct({
          before: Schema.Literals(["", " ", "\t\t", "   ", "\n", "1", "x", "'"]),
          run: Schema.Literals(runs),
          times: Schema.Literals([1, 100, 255, 256, 257, 400])
        })
      ).check(Schema.isMaxLength(4))
    },
    ({ parts }) =>
      Effect.gen(function* () {
        const counter = yield* TokenCounter
        const text = parts.map(({ before, run, times }) => before + run.repeat(times)).join("")
        assert.strictEqual(counter.count(text), expected(text))
      })
  )

  it.effect("does not take quadratic time for a long run", () =>
    Effect.gen(function* () {
      const counter = yield* TokenCounter
      counter.count("a".repeat(10_000))
      const [elapsed, tokens] = yield* Effect.timed(Effect.sync(() => counter.count("a".repeat(400_000))))
      assert.strictEqual(tokens, 50_000)
      assert.isBelow(Duration.toMillis(elapsed), 10_000, "quadratic takes minutes")
    })
  )
})
