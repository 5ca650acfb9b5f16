import * as RedisConnection from "@devops-mcp/cache/RedisConnection"
import { localhostCertificate } from "@devops-mcp/testing/Certificates"
import { listening } from "@devops-mcp/testing/Peers"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { createServer } from "node:tls"

describe("rediss://", () => {
  it.live("does not speak to a server whose certificate nobody vouches for, nor tell it the password", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const port = yield* listening(
        createServer(localhostCertificate, (socket) => {
          socket.on("error", () => socket.destroy())
          socket.on("data", (data: Buffer) => heard.push(data.toString()))
        })
      )
      const url = Redacted.make(new URL(`rediss://user:hunter2@localhost:${port}`))
      const error = yield* Effect.flip(Layer.build(RedisConnection.layer(url)))
      assert.match(error.message, /self-signed certificate/)
      assert.notInclude(error.message, "hunter2")
      assert.deepStrictEqual(heard, [])
    })
  )
})
