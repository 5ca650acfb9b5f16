// Part of the stdio proxy, which imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.

/** A JSON-RPC message as far as a proxy looks into it. */
export interface ProxyMessage {
  readonly id?: unknown
  readonly method?: unknown
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

/** Which part of a request `Mcp-Name` repeats. */
const nameSources: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId"
}

const versionKey = "io.modelcontextprotocol/protocolVersion"

/** A member of what may be no object. */
export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? new Map(Object.entries(value)).get(name) : undefined

/** What a header cannot carry as it is travels as `=?base64?…?=`. */
export const headerValue = (value: string) =>
  /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith("=?base64?")
    ? value
    : `=?base64?${Buffer.from(value).toString("base64")}?=`

/** What the older revisions settle when a connection opens, and repeat in headers from then on. */
export interface LegacySession {
  readonly protocolVersion?: string
  readonly sessionId?: string
}

/** Headers of a message of the older revisions, and of requests that carry none. */
export const sessionHeaders = ({ protocolVersion, sessionId }: LegacySession): Record<string, string> => ({
  ...(protocolVersion === undefined ? {} : { "mcp-protocol-version": protocolVersion }),
  ...(sessionId === undefined ? {} : { "mcp-session-id": sessionId })
})

/** The revision that a message names for itself: since 2026-07-28 each request does. */
export const claimedVersion = ({ params }: ProxyMessage): string | undefined => {
  const claimed = memberOf(memberOf(params, "_meta"), versionKey)
  return typeof claimed === "string" ? claimed : undefined
}

/** The headers that a message must have over HTTP: from itself since 2026-07-28, from its session before. */
export const headersOf = (message: ProxyMessage, session: LegacySession): Record<string, string> => {
  const { method, params } = message
  const claimed = claimedVersion(message)
  if (claimed === undefined || typeof method !== "string") return sessionHeaders(session)
  const source = nameSources[method]
  const name = source === undefined ? undefined : memberOf(params, source)
  return {
    "mcp-protocol-version": claimed,
    "mcp-method": headerValue(method),
    ...(typeof name === "string" ? { "mcp-name": headerValue(name) } : {})
  }
}
