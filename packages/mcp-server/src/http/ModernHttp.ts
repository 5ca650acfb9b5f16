import { type JSONRPCMessage, type JSONRPCRequest, type MessageClassification } from "@modelcontextprotocol/server"
import { type Cause, Effect, Queue, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { encodeJson } from "../edge/Json.ts"
import type { Registries } from "../edge/Registries.ts"
import { type Caller, callerIn, callerOf } from "../edge/Caller.ts"
import { RecordedTransport } from "../edge/RecordedTransport.ts"
import { makeSdkServer, sdkReporter } from "../edge/SdkServer.ts"
import { ModernChannel } from "./ModernChannel.ts"
import { eventStream, frame } from "@devops-mcp/infrastructure/Sse"

/** Messages that wait for a client that reads slowly; one more and the exchange ends. */
const longestBacklog = 1000

/** The HTTP status of errors that are found before a handler runs; all others are 200. */
const earlyStatus: ReadonlyMap<number, number> = new Map([
  [-32700, 400],
  [-32600, 400],
  [-32601, 404],
  [-32022, 400],
  [-32020, 400]
])

/** The client lacks a capability that the request needs: 400 wherever it is found. */
const missingCapabilityCode = -32021

const statusOf = (message: JSONRPCMessage, early: boolean): number => {
  if (!("error" in message)) return 200
  const { code } = message.error
  if (code === missingCapabilityCode) return 400
  return (early ? earlyStatus.get(code) : undefined) ?? 200
}

const json = (message: unknown, status: number) =>
  HttpServerResponse.text(encodeJson(message), { status, contentType: "application/json" })

/**
 * Requests of the stateless revisions: one SDK server serves all of them. The answer is JSON, or a stream once there is
 * something to say before it. A client that closes the connection cancels its request.
 */
export const makeModernHttp = Effect.fnUntraced(function* (registries: Registries["Service"]) {
  const channel = new ModernChannel()
  const recorded = new RecordedTransport({ transport: channel, audit: registries.audit, callerOf: callerIn })
  const server = makeSdkServer({ registries, recorded, callerOf, era: "modern" })
  server.onerror = sdkReporter(yield* Effect.context<never>())
  yield* Effect.acquireRelease(
    Effect.promise(() => server.connect(recorded)),
    () => Effect.promise(() => server.close())
  )

  const request = (message: JSONRPCRequest, classification: MessageClassification, caller: Caller) =>
    Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
      const waiting: Array<string> = []
      let isStream = false
      let isOver = false
      let frames: Queue.Queue<string, Cause.Done> | undefined
      const open = Effect.map(Queue.dropping<string, Cause.Done>(longestBacklog), (opened) => {
        Queue.offerAllUnsafe(opened, waiting)
        if (isOver) Queue.endUnsafe(opened)
        frames = opened
        return eventStream(Stream.ensuring(Stream.fromQueue(opened), Effect.sync(cancel)))
      })
      const push = (data: unknown) => {
        const text = frame({ event: "message", data: encodeJson(data) })
        if (frames === undefined) waiting.push(text)
        else if (!Queue.offerUnsafe(frames, text)) {
          cancel()
          Queue.endUnsafe(frames)
        }
      }
      const cancel = channel.deliver(message, classification, caller, {
        answer: (answer, early) => {
          if (!isStream) return resume(Effect.succeed(json(answer, statusOf(answer, early))))
          push(answer)
          isOver = true
          if (frames !== undefined) Queue.endUnsafe(frames)
        },
        notify: (notification) => {
          push(notification)
          if (!isStream) resume(open)
          isStream = true
        }
      })
      return Effect.sync(cancel)
    })

  return { request, tell: channel.tell.bind(channel) }
})
