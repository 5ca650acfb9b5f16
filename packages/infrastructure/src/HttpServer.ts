import { drainTimeout } from "@devops-mcp/resilience/Policies"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Deferred, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpRouter, HttpServer, UrlParams } from "effect/http"
import { createServer, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { Draining } from "./Draining.ts"
import { makeEdge } from "./HttpEdge.ts"
import { listenAddress } from "./Settings.ts"
import { loadTls } from "./Tls.ts"
import { makeUpgrades, Upgrades } from "./Upgrades.ts"

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken",
  EACCES: "this user may not use the port",
  EADDRNOTAVAIL: "the host is not an address of this machine",
  ENOTFOUND: "the host is not known"
}

const isSystemError = Schema.is(Schema.Struct({ code: Schema.String }))

/** The server cannot listen on its address, and this says which one and why. */
export class ListenError extends Schema.TaggedError<ListenError>()(
  "@devops-mcp/infrastructure/HttpServer/ListenError",
  {
    host: Schema.String,
    port: Schema.Int,
    cause: Schema.Defect()
  }
) {
  override get message() {
    const reason = isSystemError(this.cause) ? (reasons[this.cause.code] ?? this.cause.code) : "it cannot be used"
    const host = this.host.includes(":") ? `[${this.host}]` : this.host
    return `Cannot listen on ${host}:${this.port}: ${reason}`
  }
}

/** What a client may take of a connection before it has sent a whole request. */
const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: Duration.toMillis("10 seconds"),
  requestTimeout: Duration.toMillis("1 minute"),
  // Longer than the idle time of the usual load balancers, so that they close a connection first.
  keepAliveTimeout: Duration.toMillis("65 seconds")
}

/**
 * Of WebSockets that a route takes for itself; a client's messages there are calls with little in them. Nobody waits
 * for the ends of those that are open before the routes are told that the server stops: they see to them.
 */
const websocket = { maxPayload: 64 * 1024, perMessageDeflate: false, clientTracking: false }

const listen = Effect.fnUntraced(function* (upgrades: ReturnType<typeof makeUpgrades>) {
  const { host, port } = yield* listenAddress
  const tls = yield* loadTls
  const node: Server = Option.isSome(tls)
    ? createTlsServer({ ...limits, ...Redacted.value(tls.value), handshakeTimeout: limits.headersTimeout })
    : createServer(limits)
  let running = 0
  let stopping = false
  // Node waits for every open connection when it stops, also for those that clients keep or have not used yet.
  const closeRest = () => {
    if (stopping && running === 0) node.closeAllConnections()
  }
  node.on("request", (_request, response) => {
    running++
    response.once("close", () => {
      running--
      closeRest()
    })
  })
  const server = yield* NodeHttpServer.make(() => node, {
    host,
    port,
    gracefulShutdownTimeout: drainTimeout,
    websocket
  }).pipe(Effect.mapError(({ cause }) => new ListenError({ host, port, cause })))
  // Runs after the requests have drained: what is still open then had its time.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      node.closeAllConnections()
      upgrades.destroyAll()
    })
  )
  const stop = Effect.sync(() => {
    stopping = true
    closeRest()
  })
  return { node, server, stop }
})

/**
 * Spans show the values of these query parameters and of no others: people put credentials into addresses, authorization
 * servers send codes to our callback, and what somebody searches for is theirs.
 */
const privateParameters = [/^(?!(?:limit|maxTokens|strategy|source|type|since|until|outcome)$)/]

/** Services that a request adds to those of the program; with room for so many none of them copies all the others. */
const mostOfRequest = 32

const withRoom = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(self, ({ mapUnsafe }: Context.Context<R>) =>
    Context.makeUnsafe<R>(mapUnsafe, { maxDepth: mostOfRequest })
  )

/**
 * Serves the routes on `HOST`:`PORT`, over TLS when its files are set, and tells the address it listens on. It listens
 * only once the routes are built. When its scope closes it takes no new connections, tells the routes that it is
 * `Draining`, and running requests have `drainTimeout` to finish.
 */
export const serve = <E, R>(routes: Layer.Layer<never, E, R>) =>
  Layer.unwrap(
    Effect.sync(() => {
      const draining = Deferred.makeUnsafe<void>()
      const upgrades = makeUpgrades()
      const served = Layer.effect(
        HttpServer.HttpServer,
        Effect.gen(function* () {
          const router = yield* HttpRouter.HttpRouter
          const edge = yield* makeEdge
          const { node, server, stop } = yield* listen(upgrades)
          // Routes fail with anything, and the edge answers all of it.
          // @effect-diagnostics-next-line anyUnknownInErrorContext:off
          const serving = server.serve(edge(router.asHttpEffect()))
          yield* serving.pipe(Effect.provideService(UrlParams.CurrentRedactedNames, privateParameters), withRoom)
          upgrades.attach(node)
          yield* Effect.addFinalizer(() => Effect.andThen(Deferred.succeed(draining, undefined), stop))
          return server
        })
      )
      const forRoutes = Layer.mergeAll(
        Layer.fresh(HttpRouter.layer),
        Layer.succeed(Upgrades, upgrades.service),
        Layer.succeed(Draining, { begun: Deferred.await(draining) })
      )
      return Layer.provide(served, Layer.provideMerge(routes, forRoutes))
    })
  ).pipe(Layer.provide(NodeHttpServer.layerHttpServices))
