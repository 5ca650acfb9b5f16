import { Predicate } from "effect"

/** Close codes of RFC 6455 for frames that `ws` refuses by itself; all others break the protocol. */
const closeCodes: ReadonlyMap<string, number> = new Map([
  ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009],
  ["WS_ERR_INVALID_UTF8", 1007]
])

const protocolError = 1002

/** The code that a WebSocket is closed with after this error, when it is one of what the client sent. */
export const frameErrorCode = (error: unknown): number | undefined => {
  if (!Predicate.hasProperty(error, "code") || typeof error.code !== "string") return undefined
  return error.code.startsWith("WS_ERR_") ? (closeCodes.get(error.code) ?? protocolError) : undefined
}
