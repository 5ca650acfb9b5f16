import type { Principal } from "@devops-mcp/domain/Principal"
import { type JSONRPCMessage, parseJSONRPCMessage, SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/server"
import { Effect } from "effect"
import type { Caller } from "../../edge/Caller.ts"
import { badRequest, invalidRequest, notAcceptable } from "./Refusals.ts"

/** A request of the 2025 revisions, after its caller is known and its body is parsed. */
export interface LegacyRequest {
  readonly method: "POST" | "GET" | "DELETE"
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Parsed JSON: one message, or an array of them. */
  readonly body: unknown
  readonly principal: Principal
  readonly caller: Caller
}

/** Messages that one batch may have. */
export const largestBatch = 100

/** What a client speaks that does not say: the last revision without the header. */
const unnamedRevision = "2025-03-26"

/** The last revision with batches. */
const lastBatchRevision = "2025-03-26"

/** The first revision whose clients can take an event without data. */
const primingRevision = "2025-11-25"

const legacyRevisions: ReadonlySet<string> = new Set(
  SUPPORTED_PROTOCOL_VERSIONS.filter((revision) => revision <= primingRevision)
)

export const canBePrimed = (revision: string) => legacyRevisions.has(revision) && revision >= primingRevision

const mediaTypes = (accept: string | undefined) =>
  new Set((accept ?? "").split(",").map((type) => (type.split(";")[0] ?? "").trim().toLowerCase()))

const accepts = (types: ReadonlySet<string>, type: string) =>
  types.has(type) || types.has("*/*") || types.has(`${type.split("/")[0]}/*`)

/** Fails unless the client takes what it may be answered with. */
export const checkAccept = ({ headers, method }: LegacyRequest) => {
  const types = mediaTypes(headers["accept"])
  if (!accepts(types, "text/event-stream")) return Effect.fail(notAcceptable("Accept text/event-stream"))
  return method === "POST" && !accepts(types, "application/json")
    ? Effect.fail(notAcceptable("Accept application/json and text/event-stream"))
    : Effect.void
}

/** The revision that the request names, or the one that clients speak who name none. */
export const revisionOf = ({ headers }: LegacyRequest) => {
  const named = headers["mcp-protocol-version"]
  if (named === undefined) return Effect.succeed(unnamedRevision)
  return legacyRevisions.has(named)
    ? Effect.succeed(named)
    : Effect.fail(badRequest(`Unsupported protocol version; supported are ${[...legacyRevisions].join(", ")}`))
}

/** The messages of a body; a batch only where the revision knows batches. */
export const messagesOf = Effect.fnUntraced(function* (body: unknown, revision: string) {
  const isBatch = Array.isArray(body)
  if (isBatch && revision > lastBatchRevision) return yield* invalidRequest("This revision has no batches")
  const raw: ReadonlyArray<unknown> = isBatch ? body : [body]
  if (raw.length === 0 || raw.length > largestBatch) {
    return yield* invalidRequest(`A batch has 1 to ${largestBatch} messages`)
  }
  const messages = yield* Effect.forEach(raw, (message) =>
    Effect.try({
      try: (): JSONRPCMessage => parseJSONRPCMessage(message),
      catch: () => invalidRequest("The body is not a JSON-RPC message")
    })
  )
  return { isBatch, messages }
})
