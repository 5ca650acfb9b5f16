import { Chunker } from "@devops-mcp/core/ports/Chunker"
import { Layer } from "effect"

/** About 240 tokens of English: one thought, and well within what both models look at. */
export const longestChunk = 1_200

/** A passage ends at the last of the best boundaries beyond this, so that no heading stands alone. */
const shortestChunk = 400

/** Where a passage may end, from the best place to the worst; each matches what comes before the cut. */
const boundaries = [/\n[^\S\n]*\n/g, /[.!?…]["')\]]*\s|[。！？](?=[^])/g, /\n/g, /\s/g]

/** Where the passage that begins a window ends. A window without any space is cut, but not through a character. */
const endOf = (window: string): number => {
  let end = 0
  for (const boundary of boundaries) {
    end = 0
    for (const match of window.matchAll(boundary)) end = match.index + match[0].length
    if (end >= shortestChunk) return end
  }
  if (end > 0) return end
  const last = window.charCodeAt(longestChunk - 1)
  return last >= 0xd800 && last <= 0xdbff ? longestChunk - 1 : longestChunk
}

const chunk = (text: string): ReadonlyArray<string> => {
  const chunks: Array<string> = []
  const word = /\S/g
  while (word.test(text)) {
    const begin = word.lastIndex - 1
    const window = text.slice(begin, begin + longestChunk + 1)
    const end = window.length > longestChunk ? endOf(window) : window.length
    chunks.push(window.slice(0, end).trimEnd())
    word.lastIndex = begin + end
  }
  return chunks
}

/**
 * Passages of at most `longestChunk` characters, ended at a paragraph, else a sentence, a line, a word; only a word
 * longer than a passage is cut. Without overlap: the keyword half of a search finds what straddles two passages.
 */
export const layer: Layer.Layer<Chunker> = Layer.succeed(Chunker, Chunker.of({ chunk }))
