import { Schema } from "effect"

/** JSON of anything that came from JSON or from us. */
export const encodeJson: (value: unknown) => string = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** A failure when the text is not JSON. */
export const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))
