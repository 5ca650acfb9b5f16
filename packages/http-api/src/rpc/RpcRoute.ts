import { EventsRpc, rpcPath } from "@devops-mcp/contract/EventsRpc"
import { Forbidden, TooManyRequests, Unavailable, UpgradeRequired } from "@devops-mcp/contract/Problems"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { recordRefusal } from "@devops-mcp/core/audit/OnRecord"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { guardConfig, refusalOf } from "@devops-mcp/infrastructure/Guards"
import { withAnswerHeaders } from "@devops-mcp/infrastructure/Limits"
import { makePlaces, type NoPlace } from "@devops-mcp/infrastructure/Places"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { webSocketAdmission } from "@devops-mcp/resilience/Policies"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Clock, Deferred, Effect, FiberSet, Layer, Scope } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { RpcServer } from "effect/rpc"
import { makeAuthenticate } from "../Authenticate.ts"
import { EventsRpcHandlers } from "./EventsRpc.ts"
import { RpcAuthorizationLive } from "./RpcAuthorization.ts"
import { type Outgoing, RpcConnections } from "./RpcConnections.ts"
import { RpcPermissionsDeclared } from "./RpcPermissions.ts"

/** RPC connections of one process, and of one caller in it. */
export const mostRpcConnections = 2_000
export const mostRpcConnectionsOfOne = 100

const problem = <A>(make: (requestId: string) => A) =>
  Effect.flatMap(RequestId, (requestId) => Effect.fail(make(requestId)))

const forbidden = (detail: string) => problem((requestId) => new Forbidden({ code: "forbidden", detail, requestId }))

const full = ({ message, of }: Pick<NoPlace, "message" | "of">) =>
  Effect.andThen(
    withAnswerHeaders({ "retry-after": "5" }),
    problem((requestId) =>
      of === "caller"
        ? new TooManyRequests({ code: "too-many-requests", detail: message, requestId, limit: "concurrency" })
        : new Unavailable({ code: "unavailable", detail: message, requestId })
    )
  )

const notAWebSocket = Effect.andThen(
  withAnswerHeaders({ upgrade: "websocket", "sec-websocket-version": "13" }),
  problem((requestId) => new UpgradeRequired({ code: "upgrade-required", detail: "Here is a WebSocket", requestId }))
)

const late = problem(
  (requestId) => new Unavailable({ code: "unavailable", detail: "You could not be authenticated in time", requestId })
)

/** What a request's connection has not taken yet. */
const outgoingOf = (request: HttpServerRequest.HttpServerRequest): Outgoing => {
  const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
  return {
    unsent: () => socket.writableLength,
    sent: Effect.callback<void>((resume) => {
      const done = () => resume(Effect.void)
      socket.once("drain", done)
      socket.once("close", done)
      return Effect.sync(() => socket.off("drain", done).off("close", done))
    })
  }
}

type Caller = Effect.Success<Effect.Success<typeof makeAuthenticate>>

/** Whoever is refused learns it in HTTP, before the upgrade. */
const Route = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const authenticate = yield* makeAuthenticate
    const audit = yield* Audit
    const connections = yield* RpcConnections
    const rules = yield* guardConfig
    const places = makePlaces({ most: mostRpcConnections, mostOfOne: mostRpcConnectionsOfOne })
    const run = yield* FiberSet.makeRuntime<never>()
    const { begun } = yield* Draining
    let isDraining = false
    yield* Effect.forkScoped(
      Effect.andThen(
        begun,
        Effect.sync(() => (isDraining = true))
      )
    )

    const admit = Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const refusal = refusalOf(headers, rules)
      if (refusal !== undefined) return yield* forbidden(refusal)
      return yield* authenticate
    }).pipe(Effect.timeoutOrElse({ duration: webSocketAdmission, orElse: () => late }))

    /** That a caller connects and leaves, the latter unless the program stops. */
    const onRecord = Effect.fnUntraced(function* <A>({ principal }: Caller, serving: Effect.Effect<A>) {
      const act = { principal, outcome: "ok", changes: false, requestId: yield* RequestId } as const
      const startedAt = yield* Clock.currentTimeMillis
      yield* audit.record({ ...act, action: "rpc.websocket", durationMs: 0 })
      const left = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        audit.record({ ...act, action: "rpc.websocket_end", durationMs: now - startedAt })
      )
      return yield* Effect.ensuring(serving, left)
    })

    const connect = Effect.fnUntraced(function* (caller: Caller) {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (request.headers["upgrade"]?.toLowerCase() !== "websocket") return yield* notAWebSocket
      if (isDraining) return yield* full({ of: "process", message: "The server is stopping" })
      const requestId = yield* RequestId
      const address = yield* ClientAddress
      const socket = yield* Effect.catch(request.upgrade, () => notAWebSocket)
      // The connection outlives its request, which is over once it is open.
      const scope = yield* Scope.make()
      yield* Effect.catch(Scope.provide(places.take(caller.principal), scope), full)
      const opened = yield* Deferred.make<void>()
      const open = Deferred.succeed(opened, undefined)
      run(
        onRecord(caller, connections.serve(socket, outgoingOf(request), caller, open)).pipe(
          Effect.ensuring(open),
          Effect.onExit((exit) => Scope.close(scope, exit)),
          Effect.provideService(RequestId, requestId),
          Effect.provideService(ClientAddress, address),
          Effect.annotateLogs({ requestId })
        )
      )
      yield* Deferred.await(opened)
      return HttpServerResponse.empty({ status: 101 })
    })

    const refused = ({ principal }: Caller) =>
      Effect.fnUntraced(function* (problem: HttpServerRespondable.Respondable) {
        const response = yield* HttpServerRespondable.toResponse(problem)
        yield* recordRefusal(audit, { principal, action: "refused.rpc" }, response.status)
        return response
      })

    const answered = Effect.flatMap(admit, (caller) => Effect.catch(connect(caller), refused(caller)))
    yield* router.add("GET", rpcPath, Effect.catch(answered, HttpServerRespondable.toResponse))
  })
)

/** `GET /api/v1/rpc`: procedures of `effect/rpc` over a WebSocket (docs/events.md). */
export const RpcRoute = Route.pipe(
  Layer.provideMerge(
    RpcServer.layer(EventsRpc, { disableFatalDefects: true }).pipe(
      Layer.provide(
        Layer.effect(
          RpcServer.Protocol,
          Effect.map(RpcConnections, ({ protocol }) => protocol)
        )
      )
    )
  ),
  Layer.provide([EventsRpcHandlers, RpcAuthorizationLive]),
  Layer.provide(RpcConnections.layer),
  Layer.provide(RpcPermissionsDeclared(EventsRpc))
)
