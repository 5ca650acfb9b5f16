import * as Wire from "./WireFrames.ts"

const leading = String.raw`^(?:\s|--[^\n]*\n|/\*[\s\S]*?\*/)*`
const listenPattern = new RegExp(leading + String.raw`(un)?listen\s+(?:"((?:[^"]|"")+)"|([\p{L}\p{N}_$]+)|(\*))`, "iu")
const copyInPattern = new RegExp(leading + String.raw`copy\s[\s\S]*\sfrom\s+stdin\b`, "iu")

/** What a statement does to the LISTEN registrations of its connection. */
export type Subscription =
  | { readonly kind: "listen" | "unlisten"; readonly channel: string }
  | { readonly kind: "unlistenAll" }

/** Reads a LISTEN or UNLISTEN from a statement. It counts when sent, not when its transaction commits. */
export const subscriptionOf = (sql: string): Subscription | undefined => {
  const match = listenPattern.exec(sql)
  if (match === null) return undefined
  if (match[4] !== undefined) return match[1] === undefined ? undefined : { kind: "unlistenAll" }
  const channel = match[2]?.replaceAll(`""`, `"`) ?? match[3]!.toLowerCase()
  return { kind: match[1] === undefined ? "listen" : "unlisten", channel }
}

/** An UNLISTEN that leaves every registration of the backend as it is: others may still need them. */
export const harmlessUnlisten = `UNLISTEN "devops_mcp_gateway_no_such_channel"`

/**
 * COPY FROM STDIN would end the embedded backend: it reads on while a cycle is running, and nothing more can arrive.
 * This text is refused by the backend's own parser, which keeps its transaction status and the stream right.
 */
export const refusedCopy = "COPY_FROM_STDIN_is_not_supported_by_the_embedded_database"

export const isCopyIn = (sql: string): boolean => copyInPattern.test(sql)

const identifier = (name: string): string => `"${name.replaceAll(`"`, `""`)}"`

/** Everything that a connection which has gone may have left on the shared backend, undone in one round trip. */
export const farewell = (statements: Iterable<string>, channels: Iterable<string>): Buffer =>
  Buffer.concat([
    Wire.sync,
    Wire.query("ROLLBACK"),
    ...Array.from(statements, Wire.closeStatement),
    Wire.sync,
    ...Array.from(channels, (channel) => Wire.query(`UNLISTEN ${identifier(channel)}`)),
    Wire.query("RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL")
  ])

/** Ends a session-level SET ROLE, which would otherwise be the role of every connection. */
export const resetRole = Wire.query("RESET SESSION AUTHORIZATION; RESET ROLE")

export const roleOutlivesTransaction = Wire.error(
  "ERROR",
  "0A000",
  "A role set for the session would be the role of every connection: use SET LOCAL ROLE inside a transaction"
)
