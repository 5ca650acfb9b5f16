import type { Candidate, Chunk } from "../ports/SearchIndex.ts"

/** A passage with its fused score (0 to 1) and its 1-based place in each half that found it. */
export interface Passage {
  readonly chunk: Chunk
  readonly score: number
  readonly ranks: { readonly vector?: number; readonly keyword?: number }
}

/** Share of the meaning in the fused score. Measured best between 0.6 and 0.7 for the local model (embedded.md D). */
const vectorWeight = 0.65

/** Scales scores to 0..1 inside one list, because cosine similarity and word rank have no common unit. */
const normalised = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<number> => {
  const scores = candidates.map((candidate) => candidate.score)
  const lowest = Math.min(...scores)
  const range = Math.max(...scores) - lowest
  // The last of a list is still a find, so it keeps a tenth instead of nothing.
  return scores.map((score) => (range === 0 ? 1 : 0.1 + 0.9 * ((score - lowest) / range)))
}

const identity = (chunk: Chunk) => `${chunk.kind}:${chunk.refId}:${chunk.position}`

/** Merges both halves by weighted, min-max scaled scores, best first; ties keep the order of the vector half. */
export const fuse = (vector: ReadonlyArray<Candidate>, keyword: ReadonlyArray<Candidate>): ReadonlyArray<Passage> => {
  const passages = new Map<string, Passage>()
  const add = (half: "vector" | "keyword", candidates: ReadonlyArray<Candidate>, weight: number) => {
    const scores = normalised(candidates)
    candidates.forEach((candidate, index) => {
      const { score: _, ...chunk } = candidate
      const found = passages.get(identity(chunk))
      passages.set(identity(chunk), {
        chunk,
        score: (found?.score ?? 0) + weight * (scores[index] ?? 0),
        ranks: { ...found?.ranks, [half]: index + 1 }
      })
    })
  }
  const both = vector.length > 0 && keyword.length > 0
  add("vector", vector, both ? vectorWeight : 1)
  add("keyword", keyword, both ? 1 - vectorWeight : 1)
  return [...passages.values()].toSorted((a, b) => b.score - a.score)
}

/** Keeps the best passage of each event, document or context. */
export const bestOfEach = (passages: ReadonlyArray<Passage>): ReadonlyArray<Passage> => {
  const seen = new Set<string>()
  return passages.filter(({ chunk }) => {
    const owner = `${chunk.kind}:${chunk.refId}`
    return !seen.has(owner) && seen.add(owner) !== undefined
  })
}
