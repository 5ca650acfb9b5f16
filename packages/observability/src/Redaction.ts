import type { Schema } from "effect"

const hidden = "<redacted>"

/** Secrets that are known by their own shape. */
const shapes = [
  /\bdmk_[A-Za-z0-9_-]{8,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{16,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{16,}/g,
  /\bgl(?:pat|ptt|dt|rt|cbt|soat|imt|ft|agent)-[A-Za-z0-9_-]{16,}/g,
  /\bwhsec_[A-Za-z0-9+/=]{20,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{8,}/g,
  /\bxapp-[A-Za-z0-9-]{8,}/g,
  /\bAT(?:ATT|BB)[A-Za-z0-9_=-]{20,}/g,
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g
]

/** Secrets that are known by what stands before them, which stays. */
const prefixed = [
  /\b((?:bearer|basic) +)[A-Za-z0-9._~+/=-]{8,}/gi,
  /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]{0,200}:)[^\s/@]+(?=@)/gi,
  /((?:password|passwd|secret|token|api[-_]?key|private[-_]?key|access[-_]?key)["']?\s{0,3}[:=]\s{0,3}["']?)[^\s"',;&}<]+/gi
]

/** Fields whose text is a secret, whatever it looks like. */
const secretName = /password|passwd|secret|token$|api[-_]?key$|authorization|credential|private[-_]?key|access[-_]?key/i

/** The text without what looks like a secret. The last line of defence: secrets are `Redacted` where they are known. */
export const redactSecrets = (text: string): string =>
  prefixed.reduce(
    (shown, pattern) => shown.replace(pattern, `$1${hidden}`),
    shapes.reduce((shown, pattern) => shown.replace(pattern, hidden), text)
  )

/** The same for JSON; a text under a name like `password` is hidden whole. */
export const redactJson = (value: Schema.Json, name = ""): Schema.Json => {
  if (typeof value === "string") return secretName.test(name) ? hidden : redactSecrets(value)
  if (Array.isArray(value)) return value.map((item: Schema.Json) => redactJson(item, name))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, Schema.Json]) => [redactSecrets(key), redactJson(item, key)])
  )
}
