import { isJSONRPCRequest, type JSONRPCMessage, PROTOCOL_VERSION_META_KEY } from "@modelcontextprotocol/server"
import { Base64 } from "effect/encoding"

/** Which part of a request `Mcp-Name` repeats. */
const nameSources: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId"
}

/** What a header cannot carry as it is travels as `=?base64?…?=`. */
const headerValue = (value: string) =>
  /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith("=?base64?")
    ? value
    : `=?base64?${Base64.encode(value)}?=`

/** What the older revisions settle when a connection opens, and repeat in headers from then on. */
export interface LegacySession {
  readonly protocolVersion?: string
  readonly sessionId?: string
}

/** The headers that a message must have over HTTP: from itself since 2026-07-28, from its session before. */
export const headersOf = (message: JSONRPCMessage, session: LegacySession): Record<string, string> => {
  const params = "params" in message ? message.params : undefined
  const claimed = params?._meta?.[PROTOCOL_VERSION_META_KEY]
  if (typeof claimed === "string" && isJSONRPCRequest(message)) {
    const source = nameSources[message.method]
    const name = source === undefined ? undefined : params?.[source]
    return {
      "mcp-protocol-version": claimed,
      "mcp-method": headerValue(message.method),
      ...(typeof name === "string" ? { "mcp-name": headerValue(name) } : {})
    }
  }
  return {
    ...(session.protocolVersion === undefined ? {} : { "mcp-protocol-version": session.protocolVersion }),
    ...(session.sessionId === undefined ? {} : { "mcp-session-id": session.sessionId })
  }
}
