import { SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { sqsBreaker, sqsReceiveRetry } from "@devops-mcp/resilience/Outages"
import { asPeer, listening } from "@devops-mcp/testing/Peers"
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { hash } from "node:crypto"
import { createServer } from "node:http"

/** A server that speaks as much of Amazon SQS' protocol as is needed to fail, and what it was asked. */
const makeServer = Effect.gen(function* () {
  const state = { status: 200, answer: "{}", requests: new Array<string>() }
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      state.requests.push(String(request.headers["x-amz-target"]).replace("AmazonSQS.", ""))
      response.writeHead(state.status, { "content-type": "application/x-amz-json-1.0" }).end(state.answer)
    })
  })
  const url = `http://127.0.0.1:${yield* listening(asPeer(server))}`
  const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ AWS_ENDPOINT_URL: url }))
  const context = yield* Layer.build(Layer.provide(Layer.fresh(SqsClient.layer), environment))
  return { state, url: `${url}/1/queue`, client: Context.get(context, SqsClient) }
})

const message = { entryId: "1", body: "{}", attributes: {} }

beforeAll(() => {
  vi.stubEnv("AWS_REGION", "us-east-1")
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test")
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test")
})
afterAll(() => {
  vi.unstubAllEnvs()
})

describe("SqsClient", () => {
  it.effect("does not repeat for a while what does not get through, and nothing else waits with it", () =>
    Effect.gen(function* () {
      const { client, state, url } = yield* makeServer
      state.status = 503
      const failing = Effect.flip(client.send(url, [message]))
      for (let index = 0; index < sqsBreaker.failures; index++) assert.isTrue((yield* failing).retryable)
      const { name, retryAfter = 0, retryable } = yield* failing
      assert.deepStrictEqual([name, retryable], ["NotAnsweringLately", true])
      assert.isAtMost(retryAfter, 1_200)
      assert.lengthOf(state.requests, sqsBreaker.failures)

      state.status = 200
      assert.deepStrictEqual(
        yield* client.receive(url, { most: 1, visibility: Duration.seconds(30), wait: Duration.zero }),
        []
      )
      state.answer = `{"Successful":[{"Id":"1","MD5OfMessageBody":"${hash("md5", message.body)}"}]}`
      assert.deepStrictEqual(yield* client.send(`${url}-2`, [message]), new Set(["1"]))
      yield* TestClock.adjust(Duration.millis(retryAfter))
      assert.deepStrictEqual(yield* client.send(url, [message]), new Set(["1"]))
      assert.deepStrictEqual(state.requests.slice(sqsBreaker.failures), [
        "ReceiveMessage",
        "SendMessageBatch",
        "SendMessageBatch"
      ])
    })
  )

  it.effect("goes on asking when the queue refuses what we ask", () =>
    Effect.gen(function* () {
      const { client, state, url } = yield* makeServer
      state.status = 400
      state.answer = '{"__type":"com.amazonaws.sqs#ReceiptHandleIsInvalid","message":"no"}'
      for (let index = 0; index < 2 * sqsBreaker.failures; index++) {
        assert.isFalse((yield* Effect.flip(client.hide(url, "receipt", Duration.zero))).retryable)
      }
      assert.lengthOf(state.requests, 2 * sqsBreaker.failures)
    })
  )

  it.effect("whoever asks for messages asks again when the circuit lets them, not before", () =>
    Effect.gen(function* () {
      let tries = 0
      const asking = Effect.suspend(() => {
        tries++
        return Effect.fail({ retryAfter: 3_000 })
      })
      yield* Effect.forkChild(Effect.retry(asking, sqsReceiveRetry), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(tries, 1)
      yield* TestClock.adjust("6001 millis")
      assert.strictEqual(tries, 4)
    })
  )
})
