import * as Client from "@devops-mcp/database/Client"
import { elsewhereCertificate, localhostCertificate, type TestCertificate } from "@devops-mcp/testing/Certificates"
import { listening } from "@devops-mcp/testing/Peers"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { createServer, type Socket } from "node:net"
import { TLSSocket } from "node:tls"

/** What a PostgreSQL server answers to a request for TLS, then to whoever trusts its certificate. */
const refusal = Buffer.from("SFATAL\0VFATAL\0C28000\0Mreached over TLS\0\0")

const errorMessage = Buffer.concat([Buffer.from("E"), Buffer.from([0, 0, 0, refusal.length + 4]), refusal])

const serveTls = (socket: Socket, { cert, key }: TestCertificate) => {
  socket.on("error", () => socket.destroy())
  socket.once("data", () => {
    socket.write("S")
    const encrypted = new TLSSocket(socket, { isServer: true, cert, key })
    encrypted.on("error", () => encrypted.destroy())
    encrypted.once("data", () => encrypted.end(errorMessage))
  })
}

/** The port of a server that shows this certificate, and refuses whoever accepts it. */
const serverWith = (certificate: TestCertificate) =>
  Effect.suspend(() => listening(createServer((socket) => serveTls(socket, certificate))))

const authority = Effect.fnUntraced(function* (text: string) {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/ca.pem`
  yield* fs.writeFileString(path, text)
  return path
})

/** Why the server at this address cannot be used; the servers here let nobody in. */
const failure = (port: number, query: string) =>
  Effect.map(
    Effect.flip(Layer.build(Client.server(Redacted.make(`postgres://user:hunter2@localhost:${port}/db?${query}`)))),
    ({ message }) => {
      assert.notInclude(message, "hunter2")
      return message
    }
  )

const reached = "reached over TLS"

layer(NodeServices.layer, { excludeTestServices: true })("TLS to PostgreSQL", (it) => {
  it.effect("is verified by whoever sslrootcert trusts, and by the system's authorities without it", () =>
    Effect.gen(function* () {
      const port = yield* serverWith(localhostCertificate)
      const ca = yield* authority(localhostCertificate.cert)
      const other = yield* authority(elsewhereCertificate.cert)
      for (const mode of ["require", "verify-ca", "verify-full"]) {
        assert.include(yield* failure(port, `sslmode=${mode}&sslrootcert=${ca}`), reached, mode)
        assert.notInclude(yield* failure(port, `sslmode=${mode}&sslrootcert=${other}`), reached, mode)
        assert.notInclude(yield* failure(port, `sslmode=${mode}&sslrootcert=system`), reached, mode)
        assert.notInclude(yield* failure(port, `sslmode=${mode}`), reached, mode)
      }
    })
  )

  it.effect("is refused by a server of another name, unless only its authority is asked for", () =>
    Effect.gen(function* () {
      const port = yield* serverWith(elsewhereCertificate)
      const ca = yield* authority(elsewhereCertificate.cert)
      assert.include(yield* failure(port, `sslmode=verify-ca&sslrootcert=${ca}`), reached)
      for (const mode of ["require", "verify-full"]) {
        assert.include(yield* failure(port, `sslmode=${mode}&sslrootcert=${ca}`), "elsewhere.example", mode)
      }
    })
  )

  it.effect("says which file of authorities cannot be read", () =>
    Effect.gen(function* () {
      assert.include(
        yield* failure(1, "sslmode=verify-full&sslrootcert=/none.pem"),
        "/none.pem, cannot be read: NotFound"
      )
    })
  )
})
