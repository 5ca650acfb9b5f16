import { Predicate, Schema } from "effect"

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!Predicate.isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, part]) => [key, sorted(part)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  )
}

/** One text for all JSON values that mean the same: the order in which members were written does not show. */
export const canonicalJson = (value: unknown): string => encode(sorted(value))
