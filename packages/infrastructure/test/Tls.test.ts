import { Limits } from "@devops-mcp/core/limits/Limits"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { loadTls, tlsFiles } from "@devops-mcp/infrastructure/Tls"
import { Upgrades } from "@devops-mcp/infrastructure/Upgrades"
import { elsewhereCertificate, localhostCertificate } from "@devops-mcp/testing/Certificates"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, FileSystem, Layer, Option, References } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { connect, type ConnectionOptions } from "node:tls"

const routes = Layer.mergeAll(
  HttpRouter.add(
    "GET",
    "/",
    Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
      HttpServerResponse.text(
        Option.match(HttpServerRequest.toURL(request), { onNone: () => "", onSome: (_) => _.href })
      )
    )
  ),
  Layer.effectDiscard(
    Effect.flatMap(Upgrades, (upgrades) =>
      upgrades.register("/ws", ({ socket }) => {
        socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nupgraded")
      })
    )
  )
)

const configured = (env: Readonly<Record<string, string>>) => ConfigProvider.layer(ConfigProvider.fromUnknown(env))

/** A folder with these files; answers their paths. */
const files = Effect.fnUntraced(function* (cert: string, key: string) {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${folder}/cert.pem`, cert)
  yield* fs.writeFileString(`${folder}/key.pem`, key)
  return { TLS_CERT_FILE: `${folder}/cert.pem`, TLS_KEY_FILE: `${folder}/key.pem` }
})

/** The port of a server that runs until the test ends. */
const listening = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
  const context = yield* Layer.build(
    Layer.fresh(serve(routes)).pipe(
      Layer.provide([
        Layer.mock(Limits, { running: () => (request) => request }),
        NodeCrypto.layer,
        Layer.succeed(References.MinimumLogLevel, "None"),
        configured({ PORT: "0", ...env })
      ])
    )
  )
  const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
  return "port" in address ? address.port : yield* Effect.die("no port")
})

/** Everything that a server answers to a text, over TLS. */
const exchange = (port: number, text: string, options: ConnectionOptions = {}) =>
  Effect.callback<{ readonly protocol: string | null; readonly answer: string }, Error>((resume) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: localhostCertificate.cert,
      ...options
    })
    const chunks: Array<string> = []
    socket.setEncoding("utf8")
    socket.on("data", (chunk: string) => chunks.push(chunk))
    socket.on("end", () => resume(Effect.succeed({ protocol: socket.getProtocol(), answer: chunks.join("") })))
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.write(text)
    return Effect.sync(() => socket.destroy())
  })

const get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

layer(NodeServices.layer, { excludeTestServices: true })("HTTPS", (it) => {
  it.effect("is served with TLS 1.3, and the routes know of it", () =>
    Effect.gen(function* () {
      const { cert, key } = localhostCertificate
      const port = yield* listening(yield* files(cert, key))
      const { answer, protocol } = yield* exchange(port, get)
      assert.strictEqual(protocol, "TLSv1.3")
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.include(answer, "https://localhost/")
      const older = yield* Effect.flip(exchange(port, get, { maxVersion: "TLSv1.2" }))
      assert.include(older.message, "protocol version")
      const untrusting = yield* Effect.flip(exchange(port, get, { ca: elsewhereCertificate.cert }))
      assert.notInclude(untrusting.message, "200")
    })
  )

  it.effect("carries upgraded connections too", () =>
    Effect.gen(function* () {
      const { cert, key } = localhostCertificate
      const port = yield* listening(yield* files(cert, key))
      const upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
      const { answer } = yield* exchange(port, upgrade)
      assert.match(answer, /^HTTP\/1\.1 101 [^]*upgraded$/)
    })
  )

  it.effect("is not spoken without its files", () =>
    Effect.gen(function* () {
      const port = yield* listening({})
      yield* Effect.flip(exchange(port, get))
    })
  )

  it.effect("needs both files or none", () =>
    Effect.gen(function* () {
      for (const [given, missing] of [
        ["TLS_CERT_FILE", "TLS_KEY_FILE"],
        ["TLS_KEY_FILE", "TLS_CERT_FILE"]
      ] as const) {
        const error = yield* Effect.flip(Effect.provide(tlsFiles, configured({ [given]: "/a.pem" })))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "set together or not at all")
        assert.include(error.message, `at ["${missing}"]`)
      }
    })
  )

  it.effect("says which file is to mend, and nothing of what is in it", () =>
    Effect.gen(function* () {
      const { cert, key } = localhostCertificate
      const refusal = (env: Readonly<Record<string, string>>) =>
        Effect.map(Effect.flip(Effect.provide(loadTls, configured(env))), (error) => {
          assert.notInclude(error.message, key.slice(60, 100))
          return error.message
        })
      const good = yield* files(cert, key)
      assert.match(yield* refusal({ ...good, TLS_KEY_FILE: "/none.pem" }), /\/none\.pem of TLS_KEY_FILE .*NotFound/)
      assert.match(yield* refusal({ ...good, TLS_CERT_FILE: good.TLS_KEY_FILE }), /TLS_CERT_FILE .* no certificate/)
      assert.match(yield* refusal({ ...good, TLS_KEY_FILE: good.TLS_CERT_FILE }), /TLS_KEY_FILE .* private key/)
      const mismatched = yield* files(cert, elsewhereCertificate.key)
      assert.match(yield* refusal(mismatched), /TLS_KEY_FILE .*not that of the certificate/)
    })
  )
})
