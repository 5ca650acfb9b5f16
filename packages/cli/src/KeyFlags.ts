import { Timestamp } from "@devops-mcp/domain/Fields"
import { Scope } from "@devops-mcp/domain/Principal"
import { type DateTime, Duration, Option, Schema } from "effect"

const decodeScopes = Schema.decodeUnknownOption(Schema.Array(Scope).check(Schema.isMinLength(1), Schema.isUnique()))
const decodeTime = Schema.decodeOption(Timestamp)
const decodeDuration = Schema.decodeOption(Schema.DurationFromString)

/** Scopes separated by commas. */
export const parseScopes = (text: string) => decodeScopes(text.split(",").map((scope) => scope.trim()))

/** A time that begins with its year, else how long from now. */
export const parseExpiry = (text: string): Option.Option<DateTime.Utc | Duration.Duration> =>
  /^\d{4}-/.test(text) ? decodeTime(text) : Option.filter(decodeDuration(text), Duration.isFinite)
