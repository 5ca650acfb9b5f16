import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { webSocketDrain, webSocketSweep } from "@devops-mcp/resilience/Policies"
import { Effect, Redacted } from "effect"
import type { Duplex } from "node:stream"
import { Registries } from "../edge/Registries.ts"
import { refuse, type Refusal } from "../http/Refusal.ts"
import type { Admitted } from "./Admission.ts"
import type { WebSocketPeer } from "./WebSocketPeer.ts"

/** WebSockets of one process, and of one caller in it. */
export const maxWebSockets = 20_000
export const maxWebSocketsOfCaller = 1_000

/** Credentials that are checked again at once. */
const checksAtOnce = 16

const full = (status: number, detail: string) => refuse(status, detail, { headers: { "retry-after": "5" } })

/**
 * All open WebSockets of this process: how many there may be, who is told of changes, who is still there and still
 * allowed to be, and that they end when the server stops. One timer and one listener for all of them.
 */
export const makeWebSocketPeers = Effect.gen(function* () {
  const authentication = yield* Authentication
  const { changes, revocations } = yield* Registries
  const { begun } = yield* Draining
  const peers = new Set<WebSocketPeer>()
  const ofCaller = new Map<string, number>()
  let connections = 0
  let draining = false

  const byCredential = () => Map.groupBy(peers, ({ admitted }) => Redacted.value(admitted.credential))

  const recheck = (group: ReadonlyArray<WebSocketPeer>) =>
    Effect.forEach(group.slice(0, 1), ({ admitted }) => authentication.authenticate(admitted.credential)).pipe(
      Effect.catchTag("@devops-mcp/domain/Errors/Unauthenticated", ({ detail }) =>
        Effect.sync(() => {
          for (const peer of group) peer.revoke(detail)
        })
      ),
      // Nobody is thrown out because somebody else does not answer.
      Effect.catch((error) => Effect.logWarning("The credential of a WebSocket could not be checked again", error))
    )

  const sweep = Effect.gen(function* () {
    yield* Effect.forEach(peers, (peer) => Effect.sync(() => peer.probe()), { discard: true })
    yield* Effect.forEach(byCredential().values(), recheck, { concurrency: checksAtOnce, discard: true })
  })

  const drain = Effect.gen(function* () {
    draining = true
    for (const peer of peers) peer.drain()
    yield* Effect.sleep(webSocketDrain)
    for (const peer of peers) void peer.close()
  })

  yield* changes.listen((change) => {
    for (const { connection } of peers) connection?.hear(change)
  })
  yield* revocations.listen((id) => {
    for (const peer of peers) {
      const { actor, credential } = peer.admitted.principal
      if (credential === "api_key" && actor === id) peer.revoke("The API key was revoked")
    }
  })
  // What nobody told: keys that expire, tokens, and revocations that the bus has lost.
  yield* Effect.forkScoped(Effect.schedule(sweep, webSocketSweep))
  yield* Effect.forkScoped(Effect.andThen(begun, drain))

  return {
    /** Undefined when there is a place for the caller, who then holds it until the connection closes. */
    reserve: ({ principal }: Admitted, socket: Duplex): Refusal | undefined => {
      const caller = `${principal.tenantId} ${principal.credential} ${principal.actor}`
      const held = ofCaller.get(caller) ?? 0
      if (draining) return full(503, "The server is stopping")
      if (connections >= maxWebSockets) return full(503, "There are too many WebSockets")
      if (held >= maxWebSocketsOfCaller) return full(429, `At most ${maxWebSocketsOfCaller} WebSockets of one caller`)
      connections++
      ofCaller.set(caller, held + 1)
      socket.once("close", () => {
        connections--
        const left = (ofCaller.get(caller) ?? 1) - 1
        if (left === 0) ofCaller.delete(caller)
        else ofCaller.set(caller, left)
      })
      return undefined
    },

    add: (peer: WebSocketPeer, socket: Duplex) => {
      peers.add(peer)
      socket.once("close", () => peers.delete(peer))
      if (draining) peer.drain()
    }
  }
})
