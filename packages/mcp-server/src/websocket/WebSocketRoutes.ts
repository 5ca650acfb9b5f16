import { Authentication } from "@devops-mcp/core/access/Authentication"
import { recordRefusal } from "@devops-mcp/core/audit/OnRecord"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { makeClientOf, RequestClient } from "@devops-mcp/infrastructure/ClientAddress"
import { maxBodyBytes } from "@devops-mcp/infrastructure/Settings"
import { type Upgrade, Upgrades } from "@devops-mcp/infrastructure/Upgrades"
import { httpServerRequestDuration } from "@devops-mcp/observability/Metrics"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { webSocketCloseTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, Duration, Effect, FiberSet, Metric } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { STATUS_CODES } from "node:http"
import { TLSSocket } from "node:tls"
import { WebSocketServer } from "ws"
import { openConnection } from "../edge/Connection.ts"
import { encodeJson } from "../edge/Json.ts"
import { Registries } from "../edge/Registries.ts"
import { refuseLimited } from "../http/Gate.ts"
import { type Refusal, refusalResponse } from "../http/Refusal.ts"
import { type Admitted, makeAdmission, subprotocol, upgradeRequired } from "./Admission.ts"
import { WebSocketPeer } from "./WebSocketPeer.ts"
import { makeWebSocketPeers } from "./WebSocketPeers.ts"

const path = "/mcp/ws"

/** The head of the request as the gate of `/mcp` takes it; its address is known, and the host is a header. */
const requestOf = ({ request }: Upgrade) =>
  HttpServerRequest.fromWeb(
    new Request(`http://localhost${path}`, {
      headers: Object.entries(request.headers).flatMap(([name, value]): Array<[string, string]> =>
        typeof value === "string" ? [[name, value]] : []
      )
    })
  )

/** The whole of an HTTP answer, after which the connection ends. */
const answer = ({ socket }: Upgrade, { code, detail, headers, status }: Refusal, requestId: string) => {
  const body = encodeJson({ jsonrpc: "2.0", id: null, error: { code, message: detail } })
  const lines = Object.entries({
    ...headers,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "x-request-id": requestId,
    connection: "close"
  }).map(([name, value]) => `${name}: ${value}`)
  socket.once("finish", () => socket.destroy())
  socket.end(`${[`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines].join("\r\n")}\r\n\r\n${body}`)
}

/**
 * `GET /mcp/ws`: MCP over a WebSocket, a custom transport (docs/websocket.md). Whoever is refused learns it in HTTP,
 * before the upgrade.
 */
export const WebSocketRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const authentication = yield* Authentication
    const registries = yield* Registries
    const limits = yield* Limits
    const clientOf = yield* makeClientOf
    const upgrades = yield* Upgrades
    const random = yield* SecureRandom.SecureRandom
    const admit = yield* makeAdmission(registries)
    const peers = yield* makeWebSocketPeers
    const context = yield* Effect.context<never>()
    const run = yield* FiberSet.makeRuntime<never>()

    // Kept apart, because the types do not know `closeTimeout` yet.
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: Number(yield* maxBodyBytes),
      closeTimeout: Duration.toMillis(webSocketCloseTimeout),
      handleProtocols: () => subprotocol
    }
    const protocol = new WebSocketServer(options)

    const open = (peer: WebSocketPeer) => {
      const { address, credential, principal, view } = peer.admitted
      return openConnection({
        registries,
        context: Context.add(context, ClientAddress, address),
        view,
        transport: peer,
        admitted: principal,
        principal: authentication.authenticate(credential),
        limit: limits.caller,
        requestId: random.uuidV7()
      })
    }

    /** What is no message, and never gets to the connection that would put it on record. */
    const refused = ({ address, principal }: Admitted, code: number) =>
      void run(
        Effect.flatMap(random.uuidV7(), (requestId) =>
          recordRefusal(registries.audit, { principal, action: "refused.websocket" }, code).pipe(
            Effect.provideService(RequestId, requestId),
            Effect.provideService(ClientAddress, address)
          )
        )
      )

    const upgrade = ({ head, request, socket }: Upgrade, admitted: Admitted) =>
      Effect.suspend(() => {
        if (socket.destroyed) return Effect.void
        const refusal = peers.reserve(admitted, socket)
        if (refusal !== undefined) return Effect.fail(refusal)
        protocol.handleUpgrade(request, socket, head, (webSocket) => {
          peers.add(new WebSocketPeer(webSocket, admitted, { open, refused }), socket)
        })
        return onRecord(admitted, socket)
      })

    /** That a caller connects and leaves; when the program stops it cannot wait for the latter. */
    const onRecord = Effect.fnUntraced(function* ({ principal }: Admitted, socket: Upgrade["socket"]) {
      const requestId = yield* RequestId
      const startedAt = yield* Clock.currentTimeMillis
      const act = { principal, outcome: "ok", changes: false, requestId } as const
      const left = Effect.provideService(
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          registries.audit.record({ ...act, action: "mcp.websocket_end", durationMs: now - startedAt })
        ),
        ClientAddress,
        yield* ClientAddress
      )
      socket.once("close", () => void run(left))
      yield* registries.audit.record({ ...act, action: "mcp.websocket", durationMs: 0 })
    })

    const accept = Effect.fnUntraced(function* (wanted: Upgrade) {
      const startedAt = yield* Clock.currentTimeNanos
      const requestId = yield* random.uuidV7()
      const request = requestOf(wanted)
      const { socket } = wanted.request
      const encrypted = socket instanceof TLSSocket
      const client = clientOf({ peer: socket.remoteAddress, headers: request.headers, encrypted })
      const allowed = client.loopback ? Effect.void : Effect.mapError(limits.address(client.network), refuseLimited)
      const method = wanted.request.method ?? ""
      const status = yield* Effect.andThen(
        allowed,
        admit(request, method, (admitted) => upgrade(wanted, admitted))
      ).pipe(
        Effect.as(101),
        Effect.catch((refusal) =>
          Effect.as(
            Effect.sync(() => answer(wanted, refusal, requestId)),
            refusal.status
          )
        ),
        Effect.provideService(RequestId, requestId),
        Effect.provideService(RequestClient, client),
        Effect.provideService(ClientAddress, client.address),
        Effect.annotateLogs({ requestId, client: client.address })
      )
      const seconds = Number((yield* Clock.currentTimeNanos) - startedAt) / 1e9
      const labels = { method: "GET", route: path, status: String(status) }
      yield* Metric.update(Metric.withAttributes(httpServerRequestDuration, labels), seconds)
    })

    yield* upgrades.register(path, (wanted) => void run(accept(wanted)))

    // Requests that do not ask for an upgrade are told what is missing.
    yield* router.add("*", path, (request) =>
      Effect.map(Effect.flip(admit(request, request.method, () => Effect.fail(upgradeRequired))), refusalResponse)
    )
  })
)
