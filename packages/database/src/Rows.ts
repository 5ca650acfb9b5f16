import { PgTypes } from "@effect/sql-pg"
import { Effect, Predicate, Schema } from "effect"

/**
 * A row as its domain schema sees it on the wire: absent columns are left out instead of null, times are ISO 8601.
 * So one schema serves the API and the table.
 */
const fromRow = (row: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      value === null ? [] : [[name, value instanceof Date ? value.toISOString() : value]]
    )
  )

/** Decodes rows; one that does not fit its schema is a defect, for only we write them. */
export const decodeRows = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: ReadonlyArray<object>): Effect.Effect<ReadonlyArray<S["Type"]>> =>
    Effect.orDie(decode(rows.map(fromRow)))
}

/** Columns to write for a value: scalars as they are, everything else as JSONB. The only place where JSONB is made. */
export const toRow = <S extends Schema.Encoder<unknown>>(schema: S) => {
  const encode = Schema.encodeEffect(schema)
  return (value: S["Type"]): Effect.Effect<Record<string, unknown>> =>
    Effect.map(Effect.orDie(encode(value)), (encoded) =>
      Predicate.isObject(encoded)
        ? Object.fromEntries(Object.entries(encoded).map(([name, field]) => [name, toColumn(field)]))
        : {})
}

/** One column's value. */
export const toColumn = (value: unknown): unknown =>
  value !== null && typeof value === "object" ? PgTypes.jsonb(value) : value
