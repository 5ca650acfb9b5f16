import { credentialOf } from "@devops-mcp/core/access/Credential"
import { refusalOnRecord } from "@devops-mcp/core/audit/OnRecord"
import type { Principal } from "@devops-mcp/domain/Principal"
import { ClientAddress } from "@devops-mcp/observability/RequestContext"
import { webSocketAdmission } from "@devops-mcp/resilience/Policies"
import { Effect, type Redacted } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Registries } from "../edge/Registries.ts"
import { makeGate } from "../http/Gate.ts"
import { type Refusal, refuse } from "../http/Refusal.ts"
import type { View } from "../registry/View.ts"

/** The one subprotocol that is spoken here. */
export const subprotocol = "mcp"

/** The version of RFC 6455. */
const version = "13"

/** The request is for a WebSocket, and does not say so. */
export const upgradeRequired = refuse(426, "Here is a WebSocket", {
  headers: { upgrade: "websocket", "sec-websocket-version": version }
})

/** Who may have a WebSocket. The credential is kept to be asked again, for as long as the connection lives. */
export interface Admitted {
  readonly address: string | undefined
  readonly principal: Principal
  readonly credential: Redacted.Redacted
  readonly view: View
}

/**
 * Checks a request for a WebSocket as `/mcp` checks its requests, in the same order, before anything is upgraded. What
 * then is done with it belongs to the request: a caller who gets no WebSocket has that on record.
 */
export const makeAdmission = Effect.fnUntraced(function* (registries: Registries["Service"]) {
  const gate = yield* makeGate(registries)

  const check = Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    method: string,
    principal: Principal
  ) {
    const { headers } = request
    yield* gate.limited(principal)
    const view = yield* gate.view(request.modify({ url: "/mcp" }), principal)
    if (method !== "GET") return yield* refuse(405, "A WebSocket begins with GET", { headers: { allow: "GET" } })
    if (headers["upgrade"]?.toLowerCase() !== "websocket" || headers["sec-websocket-version"] !== version) {
      return yield* upgradeRequired
    }
    const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())
    if (!offered.includes(subprotocol)) return yield* refuse(400, `The subprotocol is '${subprotocol}'`)
    const credential = yield* Effect.orDie(Effect.fromOption(credentialOf(headers)))
    return { address: yield* ClientAddress, principal, credential, view } satisfies Admitted
  })

  const inTime = <A>(effect: Effect.Effect<A, Refusal>) =>
    Effect.timeoutOrElse(effect, {
      duration: webSocketAdmission,
      orElse: () =>
        Effect.fail(refuse(503, "You could not be authenticated in time", { headers: { "retry-after": "1" } }))
    })

  return Effect.fn("WebSocket.admit")(function* <A>(
    request: HttpServerRequest.HttpServerRequest,
    method: string,
    use: (admitted: Admitted) => Effect.Effect<A, Refusal>
  ) {
    const principal = yield* inTime(gate.authenticate(request))
    const used = Effect.flatMap(inTime(check(request, method, principal)), use)
    return yield* refusalOnRecord(registries.audit, { principal, action: "refused.websocket" })(used)
  })
})
