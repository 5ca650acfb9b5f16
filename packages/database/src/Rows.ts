import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Effect, Predicate, Result, Schema } from "effect"

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

/** PostgreSQL keeps neither NUL nor half a surrogate pair, and outsiders send both: they become U+FFFD. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\uFFFD")

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0")

/** Whether nothing in it has to be replaced, as in nearly all that is ever stored: to look is cheaper than to copy. */
const isStorableJson = (value: unknown): boolean => {
  if (typeof value === "string") return isStorable(value)
  if (Array.isArray(value)) return value.every(isStorableJson)
  if (!Predicate.isObject(value)) return true
  for (const [name, field] of Object.entries(value)) if (!isStorable(name) || !isStorableJson(field)) return false
  return true
}

const storableJson = (value: unknown): unknown => {
  if (typeof value === "string") return storable(value)
  if (Array.isArray(value)) return value.map(storableJson)
  return Predicate.isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, field]) => [storable(name), storableJson(field)]))
    : value
}

const keepable = (value: unknown): unknown => (isStorableJson(value) ? value : storableJson(value))

/** What has to be replaced is escaped in JSON; so may be other texts, which then are looked at more closely. */
const mayBeUnstorable = /\\u(?:0000|d[89a-f])/

/** JSON as it can be stored, to be cast to JSONB. */
export const jsonText = (value: Schema.Json): string => {
  const text = JSON.stringify(value)
  return mayBeUnstorable.test(text) ? JSON.stringify(keepable(value)) : text
}

/** Any JSON value, scalars too, for a JSONB column. */
export const toJsonb = (value: unknown): PgTypes.Parameter | string =>
  // The driver takes null for SQL's, which is the absence of a value.
  value === null ? "null" : PgTypes.jsonb(keepable(value))

/** An array of texts: what holds nulls only does not tell its own type. */
export const textArray = (texts: ReadonlyArray<string | null>): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(texts, PgTypes.OID.text))

/** Columns to write for a value: scalars as they are, objects and arrays as JSONB. */
export const toRow = <S extends Schema.Encoder<unknown>>(schema: S) => {
  const encode = Schema.encodeEffect(schema)
  const column = (value: unknown): unknown => {
    if (typeof value === "string") return storable(value)
    return value !== null && typeof value === "object" ? toJsonb(value) : value
  }
  return (value: S["Type"]): Effect.Effect<Record<string, unknown>> =>
    Effect.map(Effect.orDie(encode(value)), (encoded) =>
      Predicate.isObject(encoded)
        ? Object.fromEntries(Object.entries(encoded).map(([name, field]) => [name, column(field)]))
        : {}
    )
}
