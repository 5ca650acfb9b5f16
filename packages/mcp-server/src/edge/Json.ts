import { Result } from "effect"

/** JSON of a message. Plain, because it is said of every message, and a codec costs half as much again. */
// @effect-diagnostics-next-line preferSchemaOverJson:off
export const encodeJson: (value: unknown) => string = (value) => JSON.stringify(value)

/** A failure when the text is not JSON. */
// @effect-diagnostics-next-line preferSchemaOverJson:off
export const parseJson = (text: string): Result.Result<unknown, unknown> => Result.try((): unknown => JSON.parse(text))
