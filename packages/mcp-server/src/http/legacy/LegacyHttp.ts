import { Audit } from "@devops-mcp/core/audit/Audit"
import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import type { McpSessionId, TenantId } from "@devops-mcp/domain/Ids"
import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage
} from "@modelcontextprotocol/server"
import { Deferred, Effect, Predicate, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { Caller } from "../../edge/Caller.ts"
import { messageOnRecord, unansweredName } from "../../edge/RecordedTransport.ts"
import { sdkReporter } from "../../edge/SdkServer.ts"
import { eventStream } from "@devops-mcp/infrastructure/Sse"
import { opening } from "./Answering.ts"
import { makeEventLog } from "./EventLog.ts"
import { makeExchanges } from "./Exchanges.ts"
import { makeIdleServers } from "./IdleServers.ts"
import { makeInitialization } from "./Initialization.ts"
import type { Refusal } from "../Refusal.ts"
import { badRequest, invalidRequest } from "./Refusals.ts"
import { checkAccept, type LegacyRequest, messagesOf, revisionOf } from "./LegacyRequest.ts"
import { makeNews } from "./News.ts"
import { makeReaders } from "./Readers.ts"
import { makeSessionBus, type SessionNews } from "./SessionBus.ts"
import type { MakeServer } from "./SessionServer.ts"
import { makeSessions } from "./Sessions.ts"
import { inward, parseEventId } from "./WireIds.ts"

export interface LegacyHttp {
  readonly handle: (request: LegacyRequest) => Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal>
}

const isMessage = (value: unknown): value is JSONRPCMessage =>
  isJSONRPCResultResponse(value) || isJSONRPCErrorResponse(value) || isJSONRPCNotification(value)

const isCancellation = Schema.is(
  Schema.Struct({
    requestId: Schema.Union([Schema.String, Schema.Finite]),
    reason: Schema.optionalKey(Schema.String)
  })
)

const decodeJson = Schema.decodeUnknownEffect(Schema.Json)

const isInitialize = Predicate.compose(Predicate.hasProperty("method"), ({ method }) => method === "initialize")

/**
 * Streamable HTTP of the 2025 revisions. A session lives in the database, so that any replica serves any of its
 * requests; requests without a session are served as well, each by itself.
 */
export const makeLegacyHttp = Effect.fnUntraced(function* (makeServer: MakeServer) {
  const { begun } = yield* Draining
  const audit = yield* Audit
  const bus = yield* makeSessionBus
  const sessions = yield* makeSessions(bus)
  const servers = yield* makeIdleServers(makeServer, sdkReporter(yield* Effect.context<never>()))
  const readers = yield* makeReaders(bus)
  const log = yield* makeEventLog
  const news = yield* makeNews(sessions, readers, begun)
  const exchanges = yield* makeExchanges({ bus, log, readers, servers, sessions })
  const initialize = makeInitialization(audit, servers, sessions)

  /** What every replica does when a session has ended. */
  const leaveSession = Effect.fnUntraced(function* (tenantId: TenantId, id: McpSessionId) {
    yield* sessions.forget(tenantId, id)
    exchanges.endSession(id)
    readers.endSession(id)
    yield* servers.remove(id)
  })

  const hear = Effect.fnUntraced(function* (heard: SessionNews) {
    switch (heard._tag) {
      case "Ended":
        return yield* leaveSession(heard.tenantId, heard.sessionId)
      case "Changed":
        yield* sessions.forget(heard.tenantId, heard.sessionId)
        return yield* news.refresh(heard.sessionId)
      case "Cancelled":
        exchanges.cancel(heard.sessionId, heard.requestId, heard.reason)
        return
      case "Replied":
        if (heard.replica === bus.replica && isMessage(heard.message)) {
          exchanges.reply(heard.sessionId, heard.exchange, heard.message)
        }
        return
      case "Taken":
        return readers.displace(heard.stream, heard.reader)
    }
  })
  yield* bus.listen(hear)

  /** What a client says that gets no answer; it may belong to an exchange on any replica. */
  const receive = Effect.fnUntraced(function* ({ id: sessionId }: McpSession, message: JSONRPCMessage) {
    if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
      const { params } = message
      if (!isCancellation(params) || exchanges.cancel(sessionId, params.requestId, params.reason)) return
      return yield* bus.tell({ _tag: "Cancelled", sessionId, ...params })
    }
    const target = inward(message)
    if (target === undefined) return
    if (target.replica === bus.replica) return exchanges.reply(sessionId, target.exchange, target.message)
    const reply = yield* Effect.option(decodeJson(target.message))
    if (reply._tag === "None") return
    const { exchange, replica } = target
    yield* bus.tell({ _tag: "Replied", sessionId, replica, exchange, message: reply.value })
  })

  const findSession = Effect.fnUntraced(function* ({ headers, principal }: LegacyRequest) {
    const id = headers["mcp-session-id"]
    return id === undefined ? undefined : yield* sessions.find(principal, id)
  })

  const requireSession = Effect.fnUntraced(function* (request: LegacyRequest) {
    return (yield* findSession(request)) ?? (yield* badRequest("The Mcp-Session-Id header is missing"))
  })

  const callerOf = ({ caller, principal }: LegacyRequest, session: McpSession | undefined) =>
    new Caller({
      admitted: principal,
      principal: caller.principal,
      requestId: caller.requestId,
      context: caller.context,
      view: caller.view,
      subscriptions: session && sessions.subscriptionsOf(principal, session.id, news.refresh(session.id))
    })

  const post = Effect.fnUntraced(function* (request: LegacyRequest) {
    const { body, principal } = request
    if (isInitialize(body)) {
      const { messages } = yield* messagesOf(body, "")
      const [message] = messages
      return message !== undefined && isJSONRPCRequest(message)
        ? yield* initialize(message, request)
        : yield* invalidRequest("initialize is a request")
    }
    const revision = yield* revisionOf(request)
    const session = yield* findSession(request)
    const { isBatch, messages } = yield* messagesOf(body, session?.protocolVersion ?? revision)
    const requests = messages.filter(isJSONRPCRequest)
    if (requests.some(isInitialize)) return yield* invalidRequest("initialize cannot be part of a batch")
    if (new Set(requests.map(({ id }) => id)).size < requests.length) {
      return yield* invalidRequest("Two requests of the batch have the same id")
    }
    for (const message of messages) {
      if (isJSONRPCRequest(message)) continue
      yield* messageOnRecord(audit, request.caller, unansweredName(message))
      if (session !== undefined) yield* receive(session, message)
    }
    if (requests.length === 0) return HttpServerResponse.empty({ status: 202 })
    return yield* exchanges.run({
      requests,
      isBatch,
      principal,
      session,
      revision: session?.protocolVersion ?? revision,
      caller: callerOf(request, session)
    })
  })

  const get = Effect.fnUntraced(function* (request: LegacyRequest) {
    const { headers, principal } = request
    yield* revisionOf(request)
    const session = yield* requireSession(request)
    const lastEventId = headers["last-event-id"]
    if (lastEventId === undefined) return yield* news.open(principal, session, false)
    const last = parseEventId(lastEventId)
    if (last === undefined) return yield* badRequest("The Last-Event-ID is not one of this server")
    if (last.listening) return yield* news.open(principal, session, true)
    const frames = yield* log.follow(principal.tenantId, session.id, last.streamId, last.seq)
    const ended = yield* Deferred.make<void>()
    const { leave } = yield* readers.take(session.id, last.streamId, () => Deferred.doneUnsafe(ended, Effect.void))
    return eventStream(
      Stream.make(opening).pipe(
        Stream.concat(frames),
        Stream.interruptWhen(Effect.raceFirst(Deferred.await(ended), begun)),
        Stream.ensuring(leave)
      )
    )
  })

  const end = Effect.fnUntraced(function* (request: LegacyRequest) {
    yield* revisionOf(request)
    const { id } = yield* requireSession(request)
    yield* sessions.end(request.principal, id)
    yield* leaveSession(request.principal.tenantId, id)
    return HttpServerResponse.empty({ status: 204 })
  })

  const handle = Effect.fn("LegacyHttp.handle")(function* (request: LegacyRequest) {
    if (request.method === "DELETE") return yield* end(request)
    yield* checkAccept(request)
    if (request.method === "POST") return yield* post(request)
    return yield* Effect.tap(get(request), messageOnRecord(audit, request.caller, "stream"))
  })

  return { handle } satisfies LegacyHttp
})
