import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import type { McpSessionId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import {
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId
} from "@modelcontextprotocol/server"
import { Deferred, Effect, Schema, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import type { HttpServerResponse } from "effect/http"
import type { Caller } from "../../edge/Caller.ts"
import { eventStream } from "@devops-mcp/infrastructure/Sse"
import { answer } from "./Answering.ts"
import type { EventLog } from "./EventLog.ts"
import { type Exchange, makeExchange } from "./Exchange.ts"
import type { IdleServers } from "./IdleServers.ts"
import type { Refusal } from "../Refusal.ts"
import { tooManyRequests } from "./Refusals.ts"
import { makeOutlet } from "./Outlet.ts"
import type { Readers } from "./Readers.ts"
import type { SessionBus } from "./SessionBus.ts"
import type { Sessions } from "./Sessions.ts"

/** Exchanges of one session that run on one replica at a time. */
const exchangesPerSession = 64

const isSetLevel = Schema.is(Schema.Struct({ level: Schema.String }))

export interface ExchangesOptions {
  readonly bus: SessionBus
  readonly log: EventLog
  readonly readers: Readers
  readonly servers: IdleServers
  readonly sessions: Sessions
}

/** What one POST asks. */
export interface Asked {
  readonly requests: ReadonlyArray<JSONRPCRequest>
  readonly isBatch: boolean
  readonly revision: string
  readonly caller: Caller
  readonly principal: Principal
  readonly session: McpSession | undefined
}

/** The exchanges that run on this replica. They end with the scope, and their clients are told. */
export const makeExchanges = Effect.fnUntraced(function* ({ bus, log, readers, servers, sessions }: ExchangesOptions) {
  const scope = yield* Effect.scope
  const random = yield* SecureRandom.SecureRandom
  const running = new Map<number, { readonly sessionId: McpSessionId | undefined; readonly exchange: Exchange }>()
  let numbered = 0

  const ofSession = (id: McpSessionId) =>
    [...running.values()].flatMap(({ exchange, sessionId }) => (sessionId === id ? [exchange] : []))

  /** The level outlives the server that it was set on. */
  const keepLevel = (principal: Principal, session: McpSession) =>
    Effect.fnUntraced(function* ({ method, params }: JSONRPCRequest, message: JSONRPCMessage) {
      if (method !== "logging/setLevel" || !isJSONRPCResultResponse(message) || !isSetLevel(params)) return
      yield* sessions
        .setLogLevel(principal, session.id, params.level)
        .pipe(Effect.catch((error) => Effect.logWarning("The log level of a session is not kept", error)))
    })

  const start = Effect.fnUntraced(function* ({ caller, isBatch, principal, requests, revision, session }: Asked) {
    const server = session === undefined ? yield* servers.fresh : yield* servers.take(session)
    const number = ++numbered
    const exchange = yield* makeExchange({
      server,
      caller,
      requests,
      revision,
      origin: { replica: bus.replica, exchange: number },
      resumable: session !== undefined
    })
    running.set(number, { sessionId: session?.id, exchange })
    const response = yield* Deferred.make<HttpServerResponse.HttpServerResponse, Refusal>()
    const respond = (result: Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal>) =>
      Effect.asVoid(Deferred.complete(response, result))
    const streamId = yield* random.uuidV4()

    const openStream = Effect.gen(function* () {
      const outlet = yield* makeOutlet
      const { leave } =
        session === undefined
          ? { leave: Effect.sync(exchange.cancelAll) }
          : yield* readers.add(session.id, streamId, outlet.end)
      const close = Effect.andThen(Effect.sync(outlet.end), leave)
      yield* respond(Effect.sync(() => eventStream(Stream.ensuring(outlet.frames, close))))
      return outlet
    })

    const finish = Effect.gen(function* () {
      running.delete(number)
      server.receive(undefined)
      yield* session !== undefined && exchange.isClean() ? servers.give(session.id, server) : server.close
    })

    yield* answer({
      exchange,
      isBatch,
      revision,
      streamId,
      log: session && log.open(principal.tenantId, session.id, streamId),
      onAnswer: session === undefined ? () => Effect.void : keepLevel(principal, session),
      respond,
      openStream
    }).pipe(Effect.ensuring(finish), Effect.forkIn(scope))
    return { exchange, response }
  })

  return {
    /** A client that goes away before it has heard anything cancels: nothing can reach it any more. */
    run: (asked: Asked) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const { session } = asked
          if (session !== undefined && ofSession(session.id).length >= exchangesPerSession) {
            return yield* tooManyRequests()
          }
          const { exchange, response } = yield* start(asked)
          return yield* restore(Deferred.await(response)).pipe(
            Effect.onInterrupt(() => Effect.sync(exchange.cancelAll))
          )
        })
      ),
    /** False when the request is none that runs here. */
    cancel: (id: McpSessionId, requestId: RequestId, reason?: string): boolean =>
      ofSession(id).some((exchange) => exchange.cancel(requestId, reason)),
    /** Hands over what a client says about a request of ours, if its session is the one that was asked. */
    reply: (id: McpSessionId, number: number, message: JSONRPCMessage): void => {
      const entry = running.get(number)
      if (entry?.sessionId === id) entry.exchange.deliver(message)
    },
    endSession: (id: McpSessionId): void => {
      for (const exchange of ofSession(id)) exchange.cancelAll()
    }
  }
})
export type Exchanges = Effect.Success<ReturnType<typeof makeExchanges>>
