import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Layer } from "effect"
import { createRequire } from "node:module"
import { countMerged, ranksOf } from "./BytePairs.ts"

/** Merging a longer piece is left to `countMerged`; also bounds what the tokenizer's own cache holds. */
const longestPiece = 256

/** Pieces the tokenizer remembers; its default of 100,000 could be filled with hundreds of megabytes. */
const rememberedPieces = 20_000

const load = () => {
  const require = createRequire(import.meta.url)
  // `require` knows no types: these are the modules' own declarations.
  const encoding: typeof import("gpt-tokenizer/encoding/o200k_base") = require("gpt-tokenizer/encoding/o200k_base")
  const params: typeof import("gpt-tokenizer/encodingParams/constants") = require("gpt-tokenizer/encodingParams/constants")
  encoding.setMergeCacheSize(rememberedPieces)
  let ranks: ReturnType<typeof ranksOf> | undefined
  return {
    count: (text: string) => encoding.countTokens(text, { disallowedSpecial: new Set() }),
    countLong: (piece: string) => {
      const vocabulary: typeof import("gpt-tokenizer/bpeRanks/o200k_base") = require("gpt-tokenizer/bpeRanks/o200k_base")
      ranks ??= ranksOf(vocabulary.default)
      return countMerged(ranks, piece)
    },
    split: params.O200K_TOKEN_SPLIT_REGEX
  }
}

const make = () => {
  let loaded: ReturnType<typeof load> | undefined
  return TokenCounter.of({
    count: (text) => {
      if (text === "") return 0
      const { count, countLong, split } = (loaded ??= load())
      if (text.length <= longestPiece) return count(text)
      const pieces = text.match(split) ?? []
      if (pieces.every((piece) => piece.length <= longestPiece)) return count(text)
      return pieces.reduce((sum, piece) => sum + (piece.length <= longestPiece ? count(piece) : countLong(piece)), 0)
    }
  })
}

/**
 * o200k by `gpt-tokenizer`. The 2 MB vocabulary is loaded by the first count, so that starting does not wait for it;
 * its counts hold for any text, and long runs without a break take no more than n log n time.
 */
export const layer: Layer.Layer<TokenCounter> = Layer.sync(TokenCounter, make)
