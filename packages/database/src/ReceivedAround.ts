import { DateTime, Duration } from "effect"

/** How far the moment in an id and the time of its row may be apart: clocks are set, and ids never go back with them. */
const leeway = Duration.minutes(5)

/** The last moment that ISO 8601 writes with four digits of a year. */
const latest = Date.UTC(9999, 11, 31)

const uuidV7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-/

/** The moment at which a UUIDv7 was made. */
const madeAt = (id: string): DateTime.Utc | undefined => {
  const [, high, low] = uuidV7.exec(id) ?? []
  if (high === undefined || low === undefined) return undefined
  const millis = Number.parseInt(high + low, 16)
  return millis < latest ? DateTime.makeUnsafe(millis) : undefined
}

/** When a row must have been received whose UUIDv7 was made at that moment, so that only its partition is looked at. */
export const receivedAround = (id: string) => {
  const made = madeAt(id)
  return made === undefined
    ? undefined
    : {
        since: DateTime.toDateUtc(DateTime.subtractDuration(made, leeway)),
        until: DateTime.toDateUtc(DateTime.addDuration(made, leeway))
      }
}

/** An id that is larger than that of any row received before a time. */
export const idAfter = (time: DateTime.Utc): string => {
  const millis = Math.max(0, DateTime.toEpochMillis(DateTime.addDuration(time, leeway)))
  const digits = millis.toString(16).padStart(12, "0")
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`
}
