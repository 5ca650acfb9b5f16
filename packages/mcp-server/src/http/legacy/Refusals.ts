import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Effect } from "effect"
import { refuse } from "../Refusal.ts"

export const badRequest = (detail: string) => refuse(400, detail)

/** The message itself is not one that JSON-RPC allows here. */
export const invalidRequest = (detail: string) => refuse(400, detail, { code: -32600 })

export const notAcceptable = (detail: string) => refuse(406, detail)

/** The same for an ended, an unknown and a foreign session. The client should start a new one. */
export const sessionNotFound = () => refuse(404, "Session not found", { code: -32001 })

const comeBack = { headers: { "retry-after": "1" } }

export const tooManyRequests = () => refuse(429, "Too many requests are running", comeBack)

export const stopping = () => refuse(503, "The server is stopping", comeBack)

export const storeFailed = (error: StoreError) =>
  Effect.andThen(
    Effect.logWarning("A session could not be used", error),
    Effect.fail(refuse(503, "The database did not answer", comeBack))
  )
