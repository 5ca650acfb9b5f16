import { DateTime, Effect, Option } from "effect"
import { invalidParams } from "../ProtocolFailure.ts"

/** A moment that a user names: a date, or a date and time. */
export const timeIn = (name: string, value: string | undefined) =>
  value === undefined || value.trim() === ""
    ? Effect.succeedNone
    : Option.match(DateTime.make(value.trim()), {
        onNone: () =>
          Effect.fail(
            invalidParams(`'${name}' must be a date or time of ISO 8601, such as 2026-11-20 or 2026-11-20T09:00Z`)
          ),
        onSome: (time) => Effect.succeedSome(DateTime.toUtc(time))
      })

/** How far back is offered for completion. */
const daysOffered = 30

/** The last days, today first. */
export const recentDays = (typed: string) =>
  Effect.map(DateTime.now, (now) =>
    Array.from({ length: daysOffered }, (_, days) =>
      DateTime.formatIsoDateUtc(DateTime.subtract(now, { days }))
    ).filter((day) => day.startsWith(typed))
  )

export const repositoryIn = (value: string | undefined) => {
  const repository = value?.trim() ?? ""
  return repository === "" ? undefined : repository
}
