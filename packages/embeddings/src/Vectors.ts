/** What stands for a text without any word, which no model takes: a unit vector that is no text's. */
export const blankVector = (dimensions: number): ReadonlyArray<number> =>
  Array.from({ length: dimensions }, (_, n) => (n === 0 ? 1 : 0))

/** The vector with length 1; undefined for one that has no direction. */
export const unit = (vector: ReadonlyArray<number>): ReadonlyArray<number> | undefined => {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
  return Number.isFinite(length) && length > 0 ? vector.map((x) => x / length) : undefined
}
