import type { Principal } from "@devops-mcp/domain/Principal"
import { rpcDrain, rpcSilence } from "@devops-mcp/resilience/Policies"
import { Cause, Context, Effect, Layer, Latch, Option, Queue, type Redacted, type Scope } from "effect"
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

interface Connection {
  readonly principal: Principal
  readonly credential: Redacted.Redacted
  readonly idle: Latch.Latch
  running: number
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
    /** Holds one of the connection's places for calls until the scope closes; tells whether there was one. */
    readonly call: (clientId: number) => Effect.Effect<boolean, never, Scope.Scope>
  }
>()("@devops-mcp/http-api/rpc/RpcConnections") {
  static readonly layer = Layer.effect(
    RpcConnections,
    Effect.gen(function* () {
      const standing = yield* makeStanding
      const connections = new Map<number, Connection>()
      const writers = new Map<number, (message: RpcMessage.FromServerEncoded) => Effect.Effect<void>>()
      const disconnects = yield* Queue.make<number>()
      let ids = 0
      let receive: (clientId: number, message: RpcMessage.FromClientEncoded) => Effect.Effect<void> = () => Effect.void

      const protocol = yield* RpcServer.Protocol.make((write) => {
        receive = write
        return Effect.succeed({
          disconnects,
          send: (clientId, message) => writers.get(clientId)?.(message) ?? Effect.void,
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
          const connection: Connection = { principal, credential, idle: yield* Latch.make(true), running: 0 }
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
              if (Option.isNone(message)) return yield* write(notText)
              yield* receive(id, message.value)
            }
            return true
          }).pipe(
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
        call
      })
    })
  )
}
