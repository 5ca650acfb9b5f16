type Ranks = ReadonlyMap<string, number>

/** The vocabulary by the bytes of each token, a character a byte, as `countMerged` wants it. */
export const ranksOf = (vocabulary: ReadonlyArray<string | ReadonlyArray<number>>): Ranks => {
  const ranks = new Map<string, number>()
  vocabulary.forEach((token, rank) => {
    ranks.set(Buffer.from(typeof token === "string" ? Buffer.from(token) : token).toString("latin1"), rank)
  })
  return ranks
}

/** A rank and a place in one number: ordered by rank, then from the left, which is the order of merging. */
const place = 2 ** 32

/** The rank of a pair that is no token, and of a part that was merged away. */
const none = -1

const push = (heap: Array<number>, entry: number) => {
  let child = heap.length
  heap.push(entry)
  while (child > 0) {
    const parent = (child - 1) >> 1
    if (heap[parent]! <= entry) break
    heap[child] = heap[parent]!
    child = parent
  }
  heap[child] = entry
}

const pop = (heap: Array<number>): number => {
  const top = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return top
  let parent = 0
  for (let child = 1; child < heap.length; child = 2 * parent + 1) {
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child += 1
    if (heap[child]! >= last) break
    heap[parent] = heap[child]!
    parent = child
  }
  heap[parent] = last
  return top
}

/**
 * How many tokens byte-pair merging leaves of a piece. The same merges in the same order as the tokenizer's own, which
 * searches all pairs for each merge and so takes quadratic time; this one takes n log n.
 */
export const countMerged = (ranks: Ranks, piece: string): number => {
  const bytes = Buffer.from(piece).toString("latin1")
  const next = Uint32Array.from({ length: bytes.length + 1 }, (_, start) => start + 1)
  const previous = Int32Array.from({ length: bytes.length + 1 }, (_, start) => start - 1)
  const current = new Int32Array(bytes.length + 1).fill(none)
  const heap: Array<number> = []
  const offer = (start: number) => {
    const middle = next[start]!
    const rank = middle < bytes.length ? (ranks.get(bytes.slice(start, next[middle])) ?? none) : none
    current[start] = rank
    if (rank !== none) push(heap, rank * place + start)
  }
  for (let start = 0; start < bytes.length; start++) offer(start)
  let parts = bytes.length
  while (heap.length > 0) {
    const entry = pop(heap)
    const start = entry % place
    if (current[start] !== Math.floor(entry / place)) continue
    const merged = next[start]!
    next[start] = next[merged]!
    previous[next[start]!] = start
    current[merged] = none
    parts -= 1
    offer(start)
    if (previous[start]! >= 0) offer(previous[start]!)
  }
  return parts
}
