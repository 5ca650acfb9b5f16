import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { s3Timeout } from "@devops-mcp/resilience/Policies"
import { objectStoreConformance } from "@devops-mcp/testing/conformance/ObjectStore"
import { asPeer, listening } from "@devops-mcp/testing/Peers"
import { assert, describe, it as test, layer } from "@effect/vitest"
import { Config, ConfigProvider, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { afterAll, beforeAll, vi } from "vitest"
import { largestObject } from "../src/Objects.ts"
import { StorageLive } from "../src/StorageLive.ts"

/** `AWS_ENDPOINT_URL=http://localhost:4566` has the tests run on such a server too. */
const endpoint = Option.getOrUndefined(Effect.runSync(Config.option(Config.String("AWS_ENDPOINT_URL"))))

const live = (environment: Record<string, string>) =>
  StorageLive.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))), Layer.fresh)

const withStore = <A, E, R>(environment: Record<string, string>, effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, live(environment))

const bucketName = () => `devops-mcp-test-${crypto.randomUUID()}`

const client = new S3Client({
  forcePathStyle: true,
  region: "us-east-1",
  ...(endpoint === undefined ? {} : { endpoint })
})

/** A bucket of the test's own. */
const bucket = Effect.promise(async () => {
  const name = bucketName()
  await client.send(new CreateBucketCommand({ Bucket: name }))
  return name
})

if (endpoint === undefined) {
  test.skip("ObjectStoreS3 on a server: AWS_ENDPOINT_URL is not set", () => {})
} else {
  objectStoreConformance(
    "ObjectStoreS3",
    Layer.unwrap(Effect.map(bucket, (name) => live({ S3_BUCKET: name, AWS_ENDPOINT_URL: endpoint })))
  )

  layer(NodeServices.layer, { excludeTestServices: true })("ObjectStoreS3 on a server", (it) => {
    it.effect("is what StorageLive takes, says when there is no such bucket, and names objects legibly", () =>
      Effect.gen(function* () {
        const missing = bucketName()
        const refusal = yield* Effect.flip(withStore({ S3_BUCKET: missing, AWS_ENDPOINT_URL: endpoint }, ObjectStore))
        assert.strictEqual(
          refusal.message,
          `The bucket '${missing}' (S3_BUCKET) cannot be used: there is no such bucket`
        )
        const name = yield* bucket
        yield* withStore(
          { S3_BUCKET: name, AWS_ENDPOINT_URL: endpoint },
          Effect.gen(function* () {
            const store = yield* ObjectStore
            yield* store.put("deliveries/t/d", Uint8Array.of(1))
            yield* store.put("a//./b", Uint8Array.of(2))
            const listed = yield* Effect.promise(() => client.send(new ListObjectsV2Command({ Bucket: name })))
            const keys = (listed.Contents ?? []).map(({ Key }) => Key ?? "").toSorted()
            assert.match(keys[0] ?? "", /^digests\/[0-9a-f]{64}$/)
            assert.deepStrictEqual(keys.slice(1), ["objects/deliveries/t/d"])
            const odd = yield* Effect.flip(store.put("large", new Uint8Array(largestObject + 1)))
            assert.deepInclude(odd, { operation: "put", retryable: false })
            const tooLarge = new PutObjectCommand({
              Bucket: name,
              Key: "objects/large",
              Body: new Uint8Array(largestObject + 1)
            })
            yield* Effect.promise(() => client.send(tooLarge))
            const unread = yield* Effect.flip(store.get("large"))
            assert.deepInclude(unread, { operation: "get", retryable: false })
          })
        )
      })
    )
  })
}

/** A server that speaks for S3: how it answers a request, or not at all. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void

const withServer = Effect.fnUntraced(function* (answer: Answer) {
  const server = createServer((request, response) => {
    request.resume()
    request.on("end", () => answer(request, response))
  })
  const port = yield* listening(asPeer(server))
  return { S3_BUCKET: "some-bucket", AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` }
})

const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end()

describe("ObjectStoreS3", () => {
  beforeAll(() => {
    vi.stubEnv("AWS_REGION", "eu-central-1")
    vi.stubEnv("AWS_ACCESS_KEY_ID", "test")
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test")
  })
  afterAll(() => {
    vi.unstubAllEnvs()
  })

  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect.each([
      [403, "access is denied: the credentials need s3:ListBucket on it"],
      [404, "there is no such bucket"],
      [301, "it is in another region than AWS_REGION"]
    ] as const)("does not start on %i, and says why without asking again", ([code, reason]) =>
      Effect.gen(function* () {
        let asked = 0
        const env = yield* withServer((request, response) => {
          asked++
          status(code)(request, response)
        })
        const refusal = yield* Effect.flip(withStore(env, ObjectStore))
        assert.strictEqual(refusal.message, `The bucket 'some-bucket' (S3_BUCKET) cannot be used: ${reason}`)
        assert.strictEqual(asked, 1)
      })
    )

    it.effect("tries again what passes, and not what does not", () =>
      Effect.gen(function* () {
        const asked = new Map<string, number>()
        const env = yield* withServer((request, response) => {
          const { method = "", url = "" } = request
          const times = (asked.get(method) ?? 0) + 1
          asked.set(method, times)
          if (method === "HEAD") return status(200)(request, response)
          if (url.includes("denied")) return status(403)(request, response)
          if (url.includes("down")) return status(503)(request, response)
          return status(times < 3 ? 500 : 200)(request, response)
        })
        yield* withStore(
          env,
          Effect.gen(function* () {
            const store = yield* ObjectStore
            yield* store.put("recovering", Uint8Array.of(1))
            assert.strictEqual(asked.get("PUT"), 3)
            const denied = yield* Effect.flip(store.get("denied"))
            assert.deepInclude(denied, { operation: "get", retryable: false })
            assert.strictEqual(asked.get("GET"), 1)
            const down = yield* Effect.flip(store.delete("down"))
            assert.deepInclude(down, { operation: "delete", retryable: true })
            assert.strictEqual(asked.get("DELETE"), 3)
          })
        )
      })
    )

    it.effect("says when nobody answers at its address", () =>
      Effect.gen(function* () {
        const env = { S3_BUCKET: "some-bucket", AWS_ENDPOINT_URL: "http://127.0.0.1:1" }
        const refusal = yield* Effect.flip(withStore(env, ObjectStore))
        assert.include(refusal.message, "The bucket 'some-bucket' (S3_BUCKET) cannot be used: ")
        assert.include(refusal.message, "ECONNREFUSED")
      })
    )
  })

  test.effect("waits for no answer longer than its time, and cuts the connection then", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const cut = yield* Deferred.make<void>()
      const env = yield* withServer((request, response) => {
        if (request.method === "HEAD") return status(200)(request, response)
        request.socket.on("close", () => Deferred.doneUnsafe(cut, Effect.void))
        Deferred.doneUnsafe(asked, Effect.void)
      })
      const store = yield* Effect.provide(ObjectStore, yield* Layer.build(live(env)))
      const waiting = yield* Effect.forkChild(Effect.flip(store.get("silent")))
      yield* Deferred.await(asked)
      yield* TestClock.adjust(s3Timeout)
      yield* Deferred.await(cut)
      yield* TestClock.adjust("10 minutes")
      assert.deepInclude(yield* Fiber.join(waiting), { operation: "get", retryable: true })
    })
  )
})
