import {
  INTERNAL_ERROR,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  parseJSONRPCMessage
} from "@modelcontextprotocol/server"
import {
  Deferred,
  Duration,
  Effect,
  FiberMap,
  FiberSet,
  Queue,
  type Redacted,
  Ref,
  References,
  Schema,
  Semaphore,
  Stream
} from "effect"
import { Sse } from "effect/encoding"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { headersOf, type LegacySession } from "./edge/ProxyHeaders.ts"
import { closedSignal, makeStdioTransport, type StdioStreams } from "./edge/StdioStreams.ts"

/** The instance that answers, and the key to it. */
export interface ProxyTarget {
  /** Without a path, for example `http://localhost:8080`. */
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted
}

/** How long the instance may take to begin an answer; a tool call takes at most 60 s of it. */
const answerTimeout = Duration.seconds(90)

/** How long a stream may be silent; the instance sends a comment every 15 s. */
const silenceTimeout = Duration.seconds(60)

/** Requests on their way at once; more wait. */
const requestsAtOnce = 32

/** Messages that wait to be forwarded; a client that sends more is disconnected. */
const backlog = 1000

/** Characters of one message from the instance; a result has 25,000 tokens at most. */
const answerLimit = 4 * 1024 * 1024

/** The instance did not give an answer that can be handed on. */
class NoAnswer extends Schema.TaggedError<NoAnswer>()("@devops-mcp/mcp-server/McpStdioProxy/NoAnswer", {
  cause: Schema.Defect()
}) {}

const parseJson = Schema.decodeEffect(Schema.fromJsonString(Schema.JsonObject))

/** A refusal before the protocol begins has no id of its own; here it answers the one request of its exchange. */
const decodeMessage = (request: JSONRPCRequest) => (text: string) =>
  parseJson(text).pipe(
    Effect.map((json) => ("error" in json ? { ...json, id: json["id"] ?? request.id } : json)),
    Effect.flatMap((json) => Effect.try(() => parseJSONRPCMessage(json))),
    Effect.mapError((cause) => new NoAnswer({ cause }))
  )

const keyOf = (id: unknown) => `${typeof id}:${String(id)}`

const isAnswerTo = (request: JSONRPCRequest, message: JSONRPCMessage) =>
  (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) && message.id === request.id

const wholeText = (response: HttpClientResponse.HttpClientResponse) =>
  response.stream.pipe(
    Stream.mapError((cause) => new NoAnswer({ cause })),
    Stream.decodeText(),
    Stream.runFoldEffect(
      () => "",
      (text: string, part) =>
        text.length + part.length > answerLimit
          ? Effect.fail(new NoAnswer({ cause: new Error("The answer is too long") }))
          : Effect.succeed(text + part)
    )
  )

/** Messages of an answer: none, one, or as many as its stream brings. */
const messagesOf = (
  request: JSONRPCRequest,
  response: HttpClientResponse.HttpClientResponse
): Stream.Stream<JSONRPCMessage, NoAnswer> => {
  const decode = decodeMessage(request)
  const contentType = response.headers["content-type"] ?? ""
  if (contentType.startsWith("text/event-stream")) {
    return response.stream.pipe(
      Stream.timeoutOrElse({
        duration: silenceTimeout,
        orElse: () => Stream.fail(new NoAnswer({ cause: new Error("The stream fell silent") }))
      }),
      Stream.decodeText(),
      Stream.pipeThroughChannel(Sse.decode({ maxEventSize: answerLimit })),
      Stream.mapError((cause) => new NoAnswer({ cause })),
      Stream.filter(({ data }) => data !== ""),
      Stream.mapEffect(({ data }) => decode(data))
    )
  }
  return Stream.fromEffect(wholeText(response)).pipe(
    Stream.filter((text) => text !== ""),
    Stream.mapEffect(decode)
  )
}

/** What `initialize` settled. */
const sessionOf = (response: HttpClientResponse.HttpClientResponse, message: JSONRPCMessage): LegacySession => {
  const version = isJSONRPCResultResponse(message) ? message.result["protocolVersion"] : undefined
  const sessionId = response.headers["mcp-session-id"]
  return {
    ...(typeof version === "string" ? { protocolVersion: version } : {}),
    ...(sessionId === undefined ? {} : { sessionId })
  }
}

const proxy = Effect.fn("McpStdioProxy.serve")(
  function* (target: ProxyTarget, streams: StdioStreams | undefined) {
    const client = yield* HttpClient.HttpClient
    const session = yield* Ref.make<LegacySession>({})
    const permits = yield* Semaphore.make(requestsAtOnce)
    const requests = yield* FiberMap.make<string>()
    const others = yield* FiberSet.make()
    const inbox = yield* Queue.bounded<JSONRPCMessage>(backlog)
    const transport = yield* makeStdioTransport(streams)

    const send = (message: JSONRPCMessage) =>
      Effect.tryPromise({ try: () => transport.send(message), catch: (cause) => new NoAnswer({ cause }) })

    const post = Effect.fnUntraced(function* (message: JSONRPCMessage) {
      return yield* HttpClientRequest.post(`${target.baseUrl}/mcp`).pipe(
        HttpClientRequest.setHeaders(headersOf(message, yield* Ref.get(session))),
        HttpClientRequest.accept("application/json, text/event-stream"),
        HttpClientRequest.bearerToken(target.apiKey),
        HttpClientRequest.bodyJsonUnsafe(message),
        client.execute,
        Effect.timeout(answerTimeout),
        Effect.mapError((cause) => new NoAnswer({ cause }))
      )
    })

    const exchange = Effect.fnUntraced(function* (request: JSONRPCRequest) {
      const response = yield* post(request)
      const answered = yield* messagesOf(request, response).pipe(
        Stream.runFoldEffect(
          () => false,
          Effect.fnUntraced(function* (answered: boolean, message) {
            if (request.method === "initialize") yield* Ref.set(session, sessionOf(response, message))
            yield* send(message)
            return answered || isAnswerTo(request, message)
          })
        )
      )
      if (!answered) return yield* new NoAnswer({ cause: new Error(`Status ${response.status} without an answer`) })
    })

    const forwardRequest = (request: JSONRPCRequest) =>
      exchange(request).pipe(
        Effect.catch((error) =>
          Effect.andThen(
            Effect.logWarning("The instance gave no answer", error),
            send({
              jsonrpc: "2.0",
              id: request.id,
              error: { code: INTERNAL_ERROR, message: `DevOps MCP at ${target.baseUrl} did not answer` }
            })
          )
        ),
        Semaphore.withPermit(permits),
        Effect.ignore({ log: true })
      )

    const forward = (message: JSONRPCMessage): Effect.Effect<unknown> => {
      if (isJSONRPCRequest(message)) return FiberMap.run(requests, keyOf(message.id), forwardRequest(message))
      if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
        return FiberMap.remove(requests, keyOf(message.params?.["requestId"]))
      }
      return FiberSet.run(others, post(message).pipe(Effect.ignore({ log: true }), Semaphore.withPermit(permits)))
    }

    transport.onmessage = (message) => {
      if (!Queue.offerUnsafe(inbox, message)) void transport.close()
    }
    const closed = closedSignal(transport)
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(inbox), forward)))
    yield* Effect.promise(() => transport.start())
    yield* Deferred.await(closed)
  },
  Effect.scoped,
  Effect.provideService(References.LogToStderr, true)
)

/**
 * Lets a client that speaks standard input and output use a running instance: each message becomes one POST to its
 * `/mcp`, each answer or streamed message a line. A request that the client cancels is disconnected, which cancels it
 * at the instance; a request without an answer gets an error. Ends when the client closes its end.
 */
export const proxyMcpStdio = (target: ProxyTarget, streams?: StdioStreams) => proxy(target, streams)
