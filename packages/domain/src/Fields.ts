import { Schema } from "effect"

/** A moment in UTC: `DateTime.Utc` inside, ISO 8601 on the wire and in rows. */
export const Timestamp = Schema.DateTimeUtcFromString

/** A name people give to a thing: 1 to 200 characters. */
export const Name = Schema.String.check(Schema.isBetweenLength(1, 200))

/** Free JSON that callers attach to a thing; at most 100 keys of at most 200 characters. */
export const Metadata = Schema.Record(Schema.String, Schema.Json).check(
  Schema.isMaxProperties(100),
  // Checked here and not on the key, where a longer one would be dropped without a word.
  Schema.makeFilter((metadata) => Object.keys(metadata).every((key) => key.length <= 200), {
    expected: "keys of at most 200 characters"
  })
)
export type Metadata = typeof Metadata.Type

/** Text that is stored whole: at most 1 MiB of characters; the request body's limit is lower or equal. */
export const LongText = Schema.String.check(Schema.isMaxLength(1_048_576))

/** Whole number of tokens, o200k. */
export const Tokens = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
