import type { Audit } from "@devops-mcp/core/audit/Audit"
import { isJSONRPCResultResponse, type JSONRPCRequest } from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { encodeJson } from "../../edge/Json.ts"
import { messageOnRecord } from "../../edge/RecordedTransport.ts"
import type { IdleServers } from "./IdleServers.ts"
import { invalidRequest } from "./Refusals.ts"
import type { LegacyRequest } from "./LegacyRequest.ts"
import type { Sessions } from "./Sessions.ts"

/** What a client may say of itself, as JSON: it is kept for as long as the session. */
const longestIntroduction = 16 * 1024

const decodeParams = Schema.decodeUnknownEffect(Schema.JsonObject)
const isAgreement = Schema.is(Schema.Struct({ protocolVersion: Schema.String }))

/** Answers `initialize`, and when client and server agree on a revision, begins a session. */
export const makeInitialization = (audit: Audit["Service"], servers: IdleServers, sessions: Sessions) =>
  Effect.fnUntraced(function* (request: JSONRPCRequest, { caller, principal }: LegacyRequest) {
    const params = yield* Effect.mapError(decodeParams(request.params ?? {}), () =>
      invalidRequest("The params of initialize are not an object")
    )
    if (encodeJson(params).length > longestIntroduction) {
      return yield* invalidRequest(`The params of initialize are longer than ${longestIntroduction} characters`)
    }
    const server = yield* servers.fresh
    return yield* Effect.gen(function* () {
      const answer = yield* server.ask(request)
      const body = encodeJson(answer)
      if (!isJSONRPCResultResponse(answer) || !isAgreement(answer.result)) {
        yield* server.close
        yield* messageOnRecord(audit, caller, request.method, "failed")
        return HttpServerResponse.text(body, { contentType: "application/json" })
      }
      const session = yield* sessions.create(principal, params, answer.result.protocolVersion)
      yield* servers.give(session.id, server)
      return HttpServerResponse.text(body, {
        contentType: "application/json",
        headers: { "mcp-session-id": session.id }
      })
    }).pipe(Effect.onError(() => server.close))
  })
