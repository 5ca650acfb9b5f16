/** Longest title, in characters. */
export const titleLimit = 200
/** Longest text taken over from one field, for example a comment. */
export const proseLimit = 1500
/** Longest summary. */
export const summaryLimit = 4000

const lineBreaking = /[\p{Cc}\u2028\u2029]+/gu
/** What a reader does not see: soft hyphens, direction overrides, byte order marks, and tags that hide instructions. */
const invisible = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu
const htmlComment = /<!--.*?-->/gs
const privateKey = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/gs
const urlCredentials = /\/\/[^\s/@]{1,500}@/g
const knownTokens = new RegExp(
  [
    "gh[opsur]_[A-Za-z0-9]{16,}",
    "github_pat_\\w{20,}",
    "gl(?:pat|ptt|dt|rt|cbt|soat|imt|ft|agent)-[\\w-]{16,}",
    "whsec_[A-Za-z0-9+/=]{20,}",
    "xox[a-z]-[\\w-]{10,}",
    "xapp-[\\w-]{10,}",
    "(?<=hooks\\.slack\\.com/[a-z]{1,20}/)[\\w/]{10,}",
    "AT(?:ATT|BB)[\\w=-]{20,}",
    "(?:AKIA|ASIA)[A-Z0-9]{16}",
    "dmk_[\\w-]{32,}",
    "sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_]{20,}",
    "[rs]k_live_[A-Za-z0-9]{16,}",
    "npm_[A-Za-z0-9]{30,}",
    "AIza[\\w-]{30,}",
    "eyJ[\\w-]{8,}\\.[\\w-]{8,}(?:\\.[\\w-]{4,})*"
  ]
    .map((token) => `\\b${token}`)
    .join("|"),
  "g"
)
const secretName = "access_token|token|secret|password|passwd|api_?key|client_secret|signature|sig"
const assignedSecret = new RegExp(`\\b(${secretName})=[^\\s&#"']+`, "gi")
const secretParameter = new RegExp(`(?:^|[-_])(?:${secretName}|key|auth|code|credential)$`, "i")

const redact = (text: string) =>
  text
    .replace(privateKey, "[redacted]")
    .replace(urlCredentials, "//[redacted]@")
    .replace(knownTokens, "[redacted]")
    .replace(assignedSecret, "$1=[redacted]")

/** The beginning of a text, without the word the cut went through: half a token would escape redaction. */
const beginning = (text: string, limit: number) => {
  if (text.length <= limit) return text
  const cut = text.slice(0, limit)
  const space = Math.max(cut.lastIndexOf(" "), cut.lastIndexOf("\n"))
  return space > limit - 512 ? cut.slice(0, space) : cut
}

/** At most `limit` characters, never half of a surrogate pair, with an ellipsis where something is missing. */
export const shortened = (text: string, limit: number) =>
  text.length <= limit
    ? text
    : `${text
        .slice(0, limit - 1)
        .replace(/[\ud800-\udbff]$/, "")
        .trimEnd()}…`

/** Text from outside on one line: no control or invisible characters, no secrets we know the shape of, bounded. */
export const cleaned = (text: string, limit: number) =>
  shortened(
    redact(
      beginning(text, 4 * limit + 512)
        .toWellFormed()
        .replace(htmlComment, " ")
        .replace(invisible, "")
        .replace(lineBreaking, " ")
    )
      .replace(/\s+/g, " ")
      .trim(),
    limit
  )

/** An address for people: http(s), no API endpoint, without credentials; undefined for everything else. */
export const pageUrl = (text: string) => {
  if (text.length > 2000) return undefined
  const url = URL.parse(text)
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return undefined
  if (url.hostname.startsWith("api.") || url.pathname.startsWith("/api/v3/")) return undefined
  url.username = ""
  url.password = ""
  const secretNames = [...url.searchParams.keys()].filter((name) => secretParameter.test(name))
  for (const name of secretNames) url.searchParams.delete(name)
  const clean = redact(url.href)
  return clean.length > 2000 ? undefined : clean
}
