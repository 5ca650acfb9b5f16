import { CLIENT_CAPABILITIES_META_KEY, type Server, type ServerContext } from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import type { ClientPort } from "../registry/ToolCall.ts"

const isObject = Schema.is(Schema.JsonObject)

/** Notifications are news: a client that has gone away misses them, and the call goes on. */
const send = (notify: () => Promise<void>): Effect.Effect<void> =>
  Effect.tryPromise(notify).pipe(
    Effect.catch((error) => Effect.logDebug("A notification was not sent", error)),
    Effect.asVoid
  )

/** Extensions exist since 2026-07-28: before, a client that names one cannot be served it. */
const capabilitiesOf = (server: Server, { mcpReq }: ServerContext): Schema.JsonObject => {
  const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {}
  const declared = envelope[CLIENT_CAPABILITIES_META_KEY]
  if (isObject(declared)) return declared
  const { extensions: _, ...agreed } = server.getClientCapabilities() ?? {}
  return isObject(agreed) ? agreed : {}
}

/** The client of one message, as the registries see it. */
export const clientOf = (server: Server, context: ServerContext): ClientPort => {
  const { mcpReq } = context
  const progressToken = mcpReq._meta?.progressToken
  const sealedState = mcpReq.requestState()
  return {
    capabilities: capabilitiesOf(server, context),
    progress: (progress) =>
      progressToken === undefined
        ? Effect.void
        : send(() => mcpReq.notify({ method: "notifications/progress", params: { ...progress, progressToken } })),
    log: (level, data, logger) => send(() => mcpReq.log(level, data, logger)),
    responses: mcpReq.inputResponses ?? {},
    sealedState: typeof sealedState === "string" ? sealedState : undefined
  }
}
