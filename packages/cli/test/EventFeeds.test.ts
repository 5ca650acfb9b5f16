import { rpcPath } from "@devops-mcp/contract/EventsRpc"
import { rpcClient } from "@devops-mcp/contract/RpcClient"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { Change, Changes } from "@devops-mcp/core/changes/Changes"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Event } from "@devops-mcp/domain/Event"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Role } from "@devops-mcp/domain/Principal"
import { freshTenant, newEvent } from "@devops-mcp/testing/Fixtures"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { WebSocket } from "ws"
import { address, Platform } from "./permissions/Platform.ts"

/** Stores an event as the worker does: written first, then announced. */
const put = Effect.fnUntraced(function* (tenantId: TenantId, event: Event) {
  yield* (yield* EventRepository).upsert(tenantId, event)
  const uri = `event://${event.id}`
  yield* (yield* Changes).announce(Change.cases.ResourceUpdated.make({ tenantId, uri }))
  return event
})

const issue = Effect.fnUntraced(function* (tenantId: TenantId, role: Role = "viewer") {
  const { key, secret } = yield* (yield* ApiKeys).issueTo(tenantId, role, role)
  return { id: key.id, secret: Redacted.value(secret) }
})

interface Frame {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string | undefined
}

const field = (block: string, name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1]

const streamPath = "/api/v1/events/stream"

const get = Effect.fnUntraced(function* (key: string, path: string, lastEventId?: string) {
  const request = HttpClientRequest.get(`${yield* address}${path}`).pipe(
    HttpClientRequest.bearerToken(key),
    lastEventId === undefined ? (self) => self : HttpClientRequest.setHeader("last-event-id", lastEventId)
  )
  return yield* HttpClient.execute(request)
})

/** Opens a stream and reads it frame by frame, the one that only tells where it begins too. */
const listen = Effect.fnUntraced(function* (key: string, query = "", lastEventId?: string) {
  const response = yield* get(key, `${streamPath}${query}`, lastEventId)
  assert.strictEqual(response.status, 200)
  assert.strictEqual(response.headers["content-type"], "text/event-stream")
  const blocks = response.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.split((line) => line === ""),
    Stream.map((lines) => lines.join("\n")),
    Stream.filter((block) => block !== "" && !block.startsWith(":")),
    Stream.map((block): Frame => ({ id: field(block, "id"), event: field(block, "event"), data: field(block, "data") }))
  )
  const pull = yield* Stream.toPull(Stream.rechunk(blocks, 1))
  const next = Effect.map(pull, ([frame]) => frame)
  return { beginning: yield* next, next }
})

const decodeEvent = Schema.decodeUnknownEffect(Schema.fromJsonString(Event))

const TestLayer = Layer.merge(Platform, NodeSocket.layerWebSocketConstructor)

/** What a WebSocket that is not let in is answered in HTTP. */
const refusal = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.callback<number>((resume) => {
    const socket = new WebSocket(url.replace("http", "ws") + rpcPath, { headers })
    socket.on("error", () => {})
    const end = (status: number) => {
      resume(Effect.succeed(status))
      socket.terminate()
    }
    socket.on("open", () => end(101))
    socket.on("unexpected-response", (_, response) => end(response.statusCode ?? 0))
  })

layer(TestLayer, { excludeTestServices: true, timeout: "120 seconds" })("feeds of events", (it) => {
  it.effect("tell a reader of the stream every event, and when its status changes", () =>
    Effect.gen(function* () {
      const [tenant, other] = [yield* freshTenant, yield* freshTenant]
      yield* put(tenant, newEvent())
      const { secret } = yield* issue(tenant)
      const stream = yield* listen(secret)
      assert.isUndefined(stream.beginning.data)
      assert.isDefined(stream.beginning.id)
      yield* put(other, newEvent())
      const event = yield* put(tenant, newEvent({ type: "release" }))
      const first = yield* stream.next
      assert.strictEqual(first.event, "event")
      assert.deepStrictEqual(yield* decodeEvent(first.data), event)
      yield* put(tenant, { ...event, status: "processed" })
      const second = yield* stream.next
      assert.deepStrictEqual(yield* decodeEvent(second.data), { ...event, status: "processed" })
      const last = yield* put(tenant, newEvent())

      // By the header, by the address, and the header before the address.
      const resumed = yield* listen(secret, "", second.id)
      assert.strictEqual((yield* decodeEvent((yield* resumed.next).data)).id, last.id)
      const byAddress = yield* listen(secret, `?lastEventId=${stream.beginning.id}`)
      assert.strictEqual((yield* decodeEvent((yield* byAddress.next).data)).id, event.id)
      const both = yield* listen(secret, `?lastEventId=${stream.beginning.id}`, second.id)
      assert.strictEqual((yield* decodeEvent((yield* both.next).data)).id, last.id)
    }).pipe(Effect.scoped)
  )

  it.effect("show what the filter names", () =>
    Effect.gen(function* () {
      const tenant = yield* freshTenant
      const { secret } = yield* issue(tenant)
      const stream = yield* listen(secret, "?type=release&repository=ada/engine")
      yield* put(tenant, newEvent({ type: "release" }))
      yield* put(tenant, newEvent({ repository: "ada/engine" }))
      const wanted = yield* put(tenant, newEvent({ type: "release", repository: "ada/engine" }))
      assert.strictEqual((yield* decodeEvent((yield* stream.next).data)).id, wanted.id)
    }).pipe(Effect.scoped)
  )

  it.effect("are told apart from what is no cursor or no filter, before they begin", () =>
    Effect.gen(function* () {
      const { secret } = yield* issue(yield* freshTenant)
      const json = Effect.fnUntraced(function* (path: string, lastEventId?: string) {
        const response = yield* get(secret, path, lastEventId)
        assert.strictEqual(response.status, 400)
        return yield* response.text
      })
      assert.include(yield* json(streamPath, "none"), `"/headers/last-event-id"`)
      assert.include(yield* json(`${streamPath}?lastEventId=none`), `"/query/lastEventId"`)
      assert.include(yield* json(`${streamPath}?source=nobody`), `"/query/source"`)
    })
  )

  it.effect("are heard of without the bus, by looking", () =>
    Effect.gen(function* () {
      const tenant = yield* freshTenant
      const stream = yield* listen((yield* issue(tenant)).secret)
      const event = newEvent()
      yield* (yield* EventRepository).upsert(tenant, event)
      assert.strictEqual((yield* decodeEvent((yield* stream.next).data)).id, event.id)
    }).pipe(Effect.scoped)
  )

  it.effect("are so many of one caller and no more, and give their places back", () =>
    Effect.gen(function* () {
      const { secret } = yield* issue(yield* freshTenant)
      const held = yield* Effect.forkChild(
        Effect.scoped(
          Effect.andThen(
            Effect.forEach(Array.from({ length: 100 }), () => listen(secret), { concurrency: 20 }),
            Effect.gen(function* () {
              const response = yield* get(secret, streamPath)
              assert.strictEqual(response.status, 429)
              assert.strictEqual(response.headers["retry-after"], "5")
            })
          )
        )
      )
      yield* Fiber.join(held)
      // Whoever has closed a connection is not told when the server has noticed.
      const again = Effect.map(Effect.scoped(get(secret, streamPath)), ({ status }) => status)
      assert.strictEqual(yield* Effect.repeat(again, { until: (status) => status === 200 }), 200)
    })
  )

  it.effect("tell a client of the procedures the same, from any cursor", () =>
    Effect.gen(function* () {
      const [tenant, other] = [yield* freshTenant, yield* freshTenant]
      const client = yield* rpcClient(yield* address, (yield* issue(tenant)).secret)
      const { cursor } = yield* client.EventsCursor()
      yield* put(other, newEvent())
      const stored = yield* Effect.forEach(["push", "release", "push"], (type) => put(tenant, newEvent({ type })))
      const all = yield* Stream.runCollect(Stream.take(client.EventsFeed({ after: cursor }), 3))
      assert.deepStrictEqual(
        all.map(({ event }) => event),
        stored
      )
      const rest = yield* Stream.runHead(client.EventsFeed({ after: all[1]?.cursor ?? "" }))
      assert.deepStrictEqual(
        Option.map(rest, ({ event }) => event),
        Option.fromUndefinedOr(stored[2])
      )
      const pull = yield* Stream.toPull(client.EventsFeed({ after: all[2]?.cursor ?? "", type: "issues" }))
      const news = yield* Effect.forkChild(pull)
      yield* put(tenant, newEvent())
      const wanted = yield* put(tenant, newEvent({ type: "issues" }))
      assert.strictEqual((yield* Fiber.join(news))[0].event.id, wanted.id)

      const bad = yield* Effect.flip(Stream.runHead(client.EventsFeed({ after: "none" })))
      assert.strictEqual("code" in bad ? bad.code : "", "invalid-cursor")
    }).pipe(Effect.scoped)
  )

  it.effect("let nobody in without a credential, with a foreign origin or host, or without a WebSocket", () =>
    Effect.gen(function* () {
      const url = yield* address
      const { secret } = yield* issue(yield* freshTenant)
      const authorization = `Bearer ${secret}`
      assert.strictEqual(yield* refusal(url, { authorization }), 101)
      assert.strictEqual(yield* refusal(url, {}), 401)
      assert.strictEqual(yield* refusal(url, { authorization: "Bearer x" }), 401)
      assert.strictEqual(yield* refusal(url, { authorization, origin: "https://evil.example" }), 403)
      assert.strictEqual(yield* refusal(url, { authorization, host: "evil.example" }), 403)
      assert.strictEqual((yield* get(secret, rpcPath)).status, 426)
    })
  )
})
