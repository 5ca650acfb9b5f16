import { Option } from "effect"

/** JSON of a message. Plain, because every message needs it, and a codec costs half as much again. */
export const encodeJson: (value: unknown) => string = (value) => JSON.stringify(value)

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** None when the text is not JSON. */
export const parseJson: (text: string) => Option.Option<unknown> = parse
