import { EventsRpc } from "@devops-mcp/contract/EventsRpc"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { type Handled, recordRefusal } from "@devops-mcp/core/audit/OnRecord"
import type { Principal } from "@devops-mcp/domain/Principal"
import { frameErrorCode } from "@devops-mcp/infrastructure/FrameErrors"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { rpcDrain, rpcSilence } from "@devops-mcp/resilience/Policies"
import { Cause, Context, Effect, Layer, Latch, Option, Predicate, Queue, type Redacted, type Scope } from "effect"
import { type RpcMessage, RpcSerialization, RpcServer } from "effect/rpc"
import { Socket } from "effect/socket"
import { makeStanding } from "../events/Standing.ts"
import { decodeMessage, encodeMessage } from "./RpcMessages.ts"

/** Calls of one connection that run at once. */
export const callsAtOnce = 16

/** Unsent bytes above which a client is not read any more, so that asking without reading gets no further answers. */
const pauseAbove = 256 * 1024

/** Why a WebSocket is closed, as RFC 6455 and its registry number it. */
const goingAway = new Socket.CloseEvent(1001, "The server is stopping")
const notText = new Socket.CloseEvent(1003, "Messages are text frames of JSON")
const revokedCredential = new Socket.CloseEvent(1008, "The credential is not valid any more")

/** What is known of a connection's bytes that its client has not read yet. */
export interface Outgoing {
  readonly unsent: () => number
  /** Succeeds when there are few again. */
  readonly sent: Effect.Effect<void>
}

interface Asked extends Handled {
  readonly tag: string
}

interface Connection {
  readonly principal: Principal
  readonly credential: Redacted.Redacted
  readonly idle: Latch.Latch
  running: number
  /** Calls that have no answer yet. */
  readonly asked: Map<string | number, Asked>
  /** Puts a call on record that no handler has seen. */
  readonly unseen: (call: Asked) => Effect.Effect<void>
}

/** All open RPC connections of this process, as the server of `effect/rpc` sees them. */
export class RpcConnections extends Context.Service<
  RpcConnections,
  {
    readonly protocol: RpcServer.Protocol["Service"]
    /** Serves a client until it goes, is silent for too long, is not allowed any more, or the server stops. */
    readonly serve: (
      socket: Socket.Socket,
      outgoing: Outgoing,
      caller: Pick<Connection, "principal" | "credential">,
      opened: Effect.Effect<unknown>
    ) => Effect.Effect<void>
    /** Whose call it is. */
    readonly caller: (clientId: number) => Option.Option<Pick<Connection, "principal" | "credential">>
    /** A call that is being handled, to note that it is on record. */
    readonly asked: (clientId: number, requestId: string | number) => Handled | undefined
    /** Holds one of the connection's places for calls until the scope closes; tells whether there was one. */
    readonly call: (clientId: number) => Effect.Effect<boolean, never, Scope.Scope>
  }
>()("@devops-mcp/http-api/rpc/RpcConnections") {
  static readonly layer = Layer.effect(
    RpcConnections,
    Effect.gen(function* () {
      const audit = yield* Audit
      const standing = yield* makeStanding
      const connections = new Map<number, Connection>()
      const writers = new Map<number, (message: RpcMessage.FromServerEncoded) => Effect.Effect<void>>()
      const disconnects = yield* Queue.make<number>()
      let ids = 0
      let receive: (clientId: number, message: RpcMessage.FromClientEncoded) => Effect.Effect<void> = () => Effect.void

      /** What its middleware has not put on record was refused before. */
      const answered = (clientId: number, requestId: string | number) =>
        Effect.suspend(() => {
          const connection = connections.get(clientId)
          const call = connection?.asked.get(requestId)
          connection?.asked.delete(requestId)
          return connection === undefined || call === undefined || call.onRecord ? Effect.void : connection.unseen(call)
        })

      const protocol = yield* RpcServer.Protocol.make((write) => {
        receive = write
        return Effect.succeed({
          disconnects,
          send: (clientId, message) => {
            const written = writers.get(clientId)?.(message) ?? Effect.void
            return message._tag === "Exit" ? Effect.andThen(answered(clientId, message.requestId), written) : written
          },
          end: () => Effect.void,
          clientIds: Effect.sync(() => new Set(connections.keys())),
          initialMessage: Effect.succeedNone,
          // A stream's next events are read when the client has taken the ones before.
          supportsAck: true,
          supportsTransferables: false,
          supportsSpanPropagation: false,
          supportsNotifications: false,
          codecFor: RpcSerialization.json.codecFor
        })
      })

      const serve = Effect.fnUntraced(
        function* (
          socket: Socket.Socket,
          { sent, unsent }: Outgoing,
          { credential, principal }: Pick<Connection, "principal" | "credential">,
          opened: Effect.Effect<unknown>
        ) {
          const id = ids++
          const request = yield* Effect.context<never>()
          const refused = (code: number) => recordRefusal(audit, { principal, action: "refused.rpc" }, code)
          const unseen = ({ tag }: Asked) => {
            const action = `rpc.${EventsRpc.requests.has(tag) ? tag : "unknown"}`
            const requestId = Context.get(request, RequestId)
            return Effect.provideContext(
              audit.repeated({ principal, action, outcome: "failed", requestId, durationMs: 0 }),
              request
            )
          }
          const idle = yield* Latch.make(true)
          const connection: Connection = { principal, credential, idle, running: 0, asked: new Map(), unseen }
          const { write } = yield* socket.writer
          const { pull } = yield* socket.reader
          yield* Effect.acquireRelease(
            Effect.sync(() => {
              connections.set(id, connection)
              // What cannot be sent is missed by nobody: the reader learns that the connection is gone.
              writers.set(id, (message) => Effect.ignore(write(encodeMessage(message))))
            }),
            () =>
              Effect.suspend(() => {
                connections.delete(id)
                writers.delete(id)
                return Queue.offer(disconnects, id)
              })
          )
          yield* opened

          const read = Effect.gen(function* () {
            if (unsent() > pauseAbove) yield* sent
            for (const frame of yield* pull) {
              const message = typeof frame === "string" ? decodeMessage(frame) : Option.none()
              if (Option.isNone(message)) {
                yield* refused(notText.code)
                return yield* write(notText)
              }
              if (message.value._tag === "Request") {
                const { id: callId, tag } = message.value
                connection.asked.set(callId, { tag, onRecord: false, partOf: undefined })
              }
              yield* receive(id, message.value)
            }
            return true
          }).pipe(
            Effect.tapError(({ reason }) => {
              const code =
                "cause" in reason && Predicate.hasProperty(reason.cause, "error")
                  ? frameErrorCode(reason.cause.error)
                  : undefined
              return code === undefined ? Effect.void : refused(code)
            }),
            Effect.timeoutOption(rpcSilence),
            Effect.map((outcome) => Option.isSome(outcome) && outcome.value === true)
          )

          // Streams have ended by themselves when the server stops.
          const drained = standing.draining.pipe(
            Effect.andThen(Effect.timeoutOption(connection.idle.await, rpcDrain)),
            Effect.andThen(write(goingAway))
          )
          const revoked = Effect.andThen(standing.revoked(principal, "any", credential), write(revokedCredential))
          yield* Effect.repeat(read, { while: (goesOn) => goesOn }).pipe(
            Effect.raceFirst(drained),
            Effect.raceFirst(revoked)
          )
        },
        Effect.scoped,
        (connection) =>
          Effect.catchCause(connection, (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logDebug("An RPC connection ended", cause)
          )
      )

      const call = (clientId: number) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const connection = connections.get(clientId)
            if (connection === undefined || connection.running >= callsAtOnce) return undefined
            connection.running++
            connection.idle.closeUnsafe()
            return connection
          }),
          (connection) =>
            Effect.sync(() => {
              if (connection !== undefined && --connection.running === 0) connection.idle.openUnsafe()
            })
        ).pipe(Effect.map((connection) => connection !== undefined))

      return RpcConnections.of({
        protocol,
        serve,
        caller: (clientId) => Option.fromUndefinedOr(connections.get(clientId)),
        asked: (clientId, requestId) => connections.get(clientId)?.asked.get(requestId),
        call
      })
    })
  )
}
