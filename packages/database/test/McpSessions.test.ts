import { type McpEvent, type McpSession, McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { McpSessionId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"

const TestLayer = RepositoriesLive.pipe(Layer.provide(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
const later = (minutes: number) => DateTime.add(now, { minutes })

const newSession = (fields: Partial<McpSession> = {}): McpSession => ({
  id: freshId(McpSessionId),
  owner: "api_key:a",
  initialize: { protocolVersion: "2025-11-25", capabilities: { elicitation: {} } },
  protocolVersion: "2025-11-25",
  subscriptions: [],
  createdAt: now,
  expiresAt: later(60),
  ...fields
})

const eventsOf = (streamId: string, from: number, to: number): ReadonlyArray<McpEvent> =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    streamId,
    seq: from + index,
    message: `{"event":"${streamId}${from + index}"}`,
    last: false
  }))

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("McpSessionRepository", (it) => {
  it.effect("gives back what was created and what was changed since, to its tenant and until it expires", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const tenant = yield* freshTenant
      const session = newSession()
      yield* sessions.create(tenant, session, 10)
      assert.deepStrictEqual(yield* sessions.get(tenant, session.id, now), session)
      yield* sessions.setLogLevel(tenant, session.id, "warning")
      yield* sessions.extend(tenant, session.id, later(90))
      yield* sessions.extend(tenant, session.id, later(30))
      assert.deepStrictEqual(yield* sessions.get(tenant, session.id, later(89)), {
        ...session,
        logLevel: "warning",
        expiresAt: later(90)
      })
      const expired = yield* Effect.flip(sessions.get(tenant, session.id, later(90)))
      assert.strictEqual(expired._tag, "@devops-mcp/domain/Errors/NotFound")
      const foreign = yield* Effect.flip(sessions.get(yield* freshTenant, session.id, now))
      assert.strictEqual(foreign._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("keeps each subscription once, and no more than the limit", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const tenant = yield* freshTenant
      const { id } = newSession()
      yield* sessions.create(tenant, newSession({ id }), 10)
      const added = yield* Effect.forEach(["a", "b", "a", "c", "b"], (uri) => sessions.subscribe(tenant, id, uri, 2))
      assert.deepStrictEqual(added, [true, true, true, false, true])
      yield* sessions.unsubscribe(tenant, id, "a")
      assert.deepStrictEqual((yield* sessions.get(tenant, id, now)).subscriptions, ["b"])
    })
  )

  it.effect("makes room among one owner's sessions by ending the one that was idle for longest", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const tenant = yield* freshTenant
      const [first, second, third] = [newSession(), newSession(), newSession()]
      const other = newSession({ owner: "api_key:b" })
      yield* sessions.create(tenant, other, 2)
      yield* sessions.create(tenant, first, 2)
      yield* sessions.create(tenant, second, 2)
      yield* sessions.extend(tenant, first.id, later(90))
      yield* sessions.create(tenant, third, 2)
      const found = yield* Effect.forEach([first, second, third, other], ({ id }) =>
        Effect.match(sessions.get(tenant, id, now), { onFailure: () => false, onSuccess: () => true })
      )
      assert.deepStrictEqual(found, [true, false, true, true])
    })
  )

  it.effect("gives the events of a stream in order, each once, and forgets them with their session", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const tenant = yield* freshTenant
      const { id } = newSession()
      yield* sessions.create(tenant, newSession({ id }), 10)
      const begin = { streamId: "s", seq: 0, last: false }
      yield* sessions.append(tenant, id, [begin, ...eventsOf("s", 1, 2)], later(60))
      yield* sessions.append(tenant, id, eventsOf("t", 1, 3), later(60))
      yield* sessions.append(tenant, id, eventsOf("s", 2, 4), later(60))
      const read = (seq: number, limit = 10) => sessions.events(tenant, id, { streamId: "s", seq }, limit)
      assert.deepStrictEqual(yield* read(0), [begin, ...eventsOf("s", 1, 4)])
      assert.deepStrictEqual(yield* read(2, 2), eventsOf("s", 2, 3))
      yield* sessions.end(tenant, id)
      assert.deepStrictEqual(yield* read(0), [])
      yield* sessions.append(tenant, id, eventsOf("s", 5, 5), later(60))
      assert.deepStrictEqual(yield* read(0), [])
    })
  )

  it.effect("prunes the oldest events of a session beyond either limit", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const tenant = yield* freshTenant
      const { id } = newSession()
      yield* sessions.create(tenant, newSession({ id }), 10)
      yield* sessions.append(tenant, id, eventsOf("s", 1, 9), later(60))
      const left = Effect.map(sessions.events(tenant, id, { streamId: "s", seq: 0 }, 10), (events) =>
        events.map(({ seq }) => seq)
      )
      yield* sessions.prune(tenant, id, { events: 6, bytes: 10_000 })
      assert.deepStrictEqual(yield* left, [4, 5, 6, 7, 8, 9])
      const size = eventsOf("s", 1, 1)[0]?.message?.length ?? 0
      yield* sessions.prune(tenant, id, { events: 6, bytes: size * 2 })
      assert.deepStrictEqual(yield* left, [8, 9])
      yield* sessions.prune(tenant, id, { events: 6, bytes: size * 2 })
      assert.deepStrictEqual(yield* left, [8, 9])
    })
  )

  it.effect("sweeps what has expired of every tenant, and nothing else", () =>
    Effect.gen(function* () {
      const sessions = yield* McpSessionRepository
      const [one, two] = [yield* freshTenant, yield* freshTenant]
      const present = yield* DateTime.now
      const past = DateTime.subtract(present, { minutes: 1 })
      const future = DateTime.add(present, { minutes: 5 })
      const [dead, alive] = [newSession({ expiresAt: past }), newSession({ expiresAt: future })]
      yield* sessions.create(one, dead, 10)
      yield* sessions.create(two, alive, 10)
      yield* sessions.append(two, alive.id, eventsOf("s", 1, 1), past)
      yield* sessions.append(two, alive.id, eventsOf("s", 2, 2), future)
      assert.isAtLeast(yield* sessions.sweep(present), 1)
      // Asked as of before it expired, so that only the sweep can have removed it.
      const gone = yield* Effect.flip(sessions.get(one, dead.id, DateTime.subtract(past, { minutes: 1 })))
      assert.strictEqual(gone._tag, "@devops-mcp/domain/Errors/NotFound")
      assert.strictEqual((yield* sessions.get(two, alive.id, present)).id, alive.id)
      assert.deepStrictEqual(yield* sessions.events(two, alive.id, { streamId: "s", seq: 0 }, 10), eventsOf("s", 2, 2))
    })
  )
})
