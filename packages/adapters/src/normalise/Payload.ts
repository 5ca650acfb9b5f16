import { DateTime, Option, type Schema } from "effect"
import { cleaned, pageUrl, proseLimit } from "./Text.ts"

const lineLimit = 200
const listLimit = 10
const earliest = DateTime.makeUnsafe("2005-01-01T00:00:00Z")
const zonedTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z| UTC| ?[+-]\d{2}:?\d{2})$/
const secondsText = /^\d{10}(?:\.\d{1,9})?$/
/** No sender means a second of the year 5138: numbers from here on are milliseconds. */
const firstMillis = 1e11
const idShape = /^[\x21-\x7e]{1,200}$/

const momentOf = (json: Schema.Json | undefined) => {
  if (typeof json === "number") return DateTime.make(Math.trunc(json < firstMillis ? json * 1000 : json))
  if (typeof json !== "string") return Option.none()
  if (secondsText.test(json)) return DateTime.make(Math.trunc(Number(json) * 1000))
  return zonedTime.test(json) ? DateTime.make(json.replace(" UTC", "Z")) : Option.none()
}

const isObject = (json: Schema.Json | undefined): json is Schema.JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const isArray = (json: Schema.Json | undefined): json is Schema.JsonArray => Array.isArray(json)

/**
 * Reads untrusted JSON by path. Every reader is total: what is absent or of another type is undefined (or false, 0,
 * an empty list), and every text it gives is cleaned of secrets and control characters and bounded.
 */
export class Payload {
  private readonly json: Schema.Json | undefined

  constructor(json: Schema.Json | undefined) {
    this.json = json
  }

  /** The value under a path of own keys. */
  at(...path: ReadonlyArray<string>): Payload {
    let json = this.json
    for (const key of path) json = isObject(json) && Object.hasOwn(json, key) ? json[key] : undefined
    return new Payload(json)
  }

  get isObject(): boolean {
    return isObject(this.json)
  }

  /** The first keys of an object. */
  get keys(): ReadonlyArray<string> {
    if (!isObject(this.json)) return []
    const keys: Array<string> = []
    for (const key in this.json) {
      if (keys.length === listLimit) break
      const clean = cleaned(key, 100)
      if (clean !== "") keys.push(clean)
    }
    return keys
  }

  private cleanText(path: ReadonlyArray<string>, limit: number) {
    const { json } = this.at(...path)
    if (typeof json === "number") return String(json)
    if (typeof json !== "string") return undefined
    const text = cleaned(json, limit)
    return text === "" ? undefined : text
  }

  /** A short text or a number on one line. */
  line(...path: ReadonlyArray<string>): string | undefined {
    return this.cleanText(path, lineLimit)
  }

  /** A long text, such as a description or a comment. */
  prose(...path: ReadonlyArray<string>): string | undefined {
    return this.cleanText(path, proseLimit)
  }

  /** The first of several fields that has a short text. */
  first(...keys: ReadonlyArray<string>): string | undefined {
    for (const key of keys) {
      const text = this.line(key)
      if (text !== undefined) return text
    }
    return undefined
  }

  /** The login of a user or organization under the path. */
  login(...path: ReadonlyArray<string>): string | undefined {
    return this.line(...path, "login")
  }

  int(...path: ReadonlyArray<string>): number | undefined {
    const { json } = this.at(...path)
    return typeof json === "number" && Number.isSafeInteger(json) ? json : undefined
  }

  /** True only for a `true`. */
  flag(...path: ReadonlyArray<string>): boolean {
    return this.at(...path).json === true
  }

  /** The first entries of a list. */
  list(...path: ReadonlyArray<string>): ReadonlyArray<Payload> {
    const { json } = this.at(...path)
    return isArray(json) ? json.slice(0, listLimit).map((entry) => new Payload(entry)) : []
  }

  /** How many entries a list has. */
  size(...path: ReadonlyArray<string>): number {
    const { json } = this.at(...path)
    return isArray(json) ? json.length : 0
  }

  /** One field of the first entries of a list, or the entries themselves, separated by commas. */
  names(path: ReadonlyArray<string>, ...field: ReadonlyArray<string>): string | undefined {
    const names = this.list(...path).flatMap((entry) => entry.line(...field) ?? [])
    if (names.length === 0) return undefined
    const more = this.size(...path) - listLimit
    return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ")
  }

  /** A moment with its zone, or seconds or milliseconds since 1970; undefined for what cannot be a sender's present. */
  time(...path: ReadonlyArray<string>): DateTime.Utc | undefined {
    const moment = momentOf(this.at(...path).json)
    return Option.getOrUndefined(Option.filter(moment, DateTime.isGreaterThanOrEqualTo(earliest)))
  }

  /** An identifier exactly as it was sent: a whole number, or 1 to 200 printable characters without spaces. */
  id(...path: ReadonlyArray<string>): string | undefined {
    const { json } = this.at(...path)
    const text = Number.isSafeInteger(json) ? String(json) : json
    return typeof text === "string" && idShape.test(text) ? text : undefined
  }

  /** An address for people; undefined for API endpoints. */
  url(...path: ReadonlyArray<string>): string | undefined {
    const { json } = this.at(...path)
    return typeof json === "string" ? pageUrl(json) : undefined
  }
}
