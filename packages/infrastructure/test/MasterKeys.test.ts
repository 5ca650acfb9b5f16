import { SigningKey } from "@devops-mcp/core/access/SigningKey"
import { masterKeySource } from "@devops-mcp/infrastructure/MasterKeySettings"
import { SigningKeyLive } from "@devops-mcp/infrastructure/SigningKey"
import { asPeer, listening } from "@devops-mcp/testing/Peers"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, FileSystem, Layer, Redacted } from "effect"
import { Base64, Hex } from "effect/encoding"
import { createServer, type ServerResponse } from "node:http"
import { afterAll, beforeAll, vi } from "vitest"

const keyOf = (byte: number) => Base64.encode(new Uint8Array(32).fill(byte))

/** What a program with this environment derives, the newest first. */
const derived = (env: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const keys = yield* (yield* SigningKey).deriveAll("test")
    return keys.map((key) => Hex.encode(Redacted.value(key)))
  }).pipe(
    Effect.provide(
      Layer.fresh(SigningKeyLive).pipe(
        Layer.provide([NodeCrypto.layer, NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env))])
      )
    )
  )

/** The same with these keys. */
const expected = (...bytes: ReadonlyArray<number>) =>
  Effect.map(
    Effect.forEach(bytes, (byte) => derived({ ENCRYPTION_KEY: keyOf(byte) })),
    (keys) => keys.flat()
  )

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

layer(NodeServices.layer, { excludeTestServices: true })("the installation's keys", (it) => {
  it.effect("are the newest and after it the previous ones, each once", () =>
    Effect.gen(function* () {
      const previous = [2, 3, 2, 1].map(keyOf).join(" , ")
      assert.deepStrictEqual(
        yield* derived({ ENCRYPTION_KEY: keyOf(1), ENCRYPTION_KEY_PREVIOUS: previous }),
        yield* expected(1, 2, 3)
      )
      const home = yield* folder
      const [, ...older] = yield* derived({ DEVOPS_MCP_HOME: home, ENCRYPTION_KEY_PREVIOUS: keyOf(2) })
      assert.deepStrictEqual(older, yield* expected(2))
    })
  )

  it.effect("are refused when one of them is no key, without being shown", () =>
    Effect.gen(function* () {
      for (const wrong of ["hunter2", `${keyOf(2)},`, `${keyOf(2)},hunter2`]) {
        const error = yield* Effect.flip(derived({ ENCRYPTION_KEY: keyOf(1), ENCRYPTION_KEY_PREVIOUS: wrong }))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "ENCRYPTION_KEY_PREVIOUS")
        assert.notInclude(error.message, "hunter2")
        assert.notInclude(error.message, keyOf(2))
      }
    })
  )

  it.effect("come from one place", () =>
    Effect.gen(function* () {
      const both = { ENCRYPTION_KEY: keyOf(1), SECRETS_MANAGER_PREFIX: "devops" }
      const error = yield* Effect.flip(
        Effect.provide(masterKeySource, ConfigProvider.layer(ConfigProvider.fromUnknown(both)))
      )
      assert.include(error.message, "SECRETS_MANAGER_PREFIX")
      assert.include(error.message, "one of the two")
      assert.notInclude(error.message, keyOf(1))
    })
  )
})

/** What a server that speaks for AWS Secrets Manager does with a question for a version of a secret. */
type Answer = (question: { readonly SecretId: string; readonly VersionStage: string }) => {
  readonly status: number
  readonly body: unknown
}

const holding =
  (versions: Readonly<Record<string, string>>): Answer =>
  ({ SecretId, VersionStage }) => {
    const text = SecretId === "acme/prod/encryption-key" ? versions[VersionStage] : undefined
    return text === undefined
      ? { status: 400, body: { __type: "ResourceNotFoundException", message: "not there" } }
      : { status: 200, body: { Name: SecretId, SecretString: text } }
  }

/** Runs with a Secrets Manager that answers so; tells how often it was asked. */
const withSecretsManager = Effect.fnUntraced(function* (answer: Answer | "silence", prefix = "acme/prod") {
  const state = { asked: 0 }
  const respond = (response: ServerResponse, text: string) => {
    if (answer === "silence") return
    const { body, status } = answer(JSON.parse(text))
    response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body))
  }
  const server = createServer((request, response) => {
    state.asked += 1
    const chunks: Array<string> = []
    request.setEncoding("utf8")
    request.on("data", (chunk: string) => chunks.push(chunk))
    request.on("end", () => respond(response, chunks.join("")))
  })
  const port = yield* listening(asPeer(server))
  return { state, env: { SECRETS_MANAGER_PREFIX: prefix, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` } }
})

describe("AWS Secrets Manager", () => {
  beforeAll(() => {
    vi.stubEnv("AWS_REGION", "eu-central-1")
    vi.stubEnv("AWS_ACCESS_KEY_ID", "test")
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test")
  })
  afterAll(() => {
    vi.unstubAllEnvs()
  })

  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("gives its current key, its previous one, and then come those of the environment", () =>
      Effect.gen(function* () {
        const current = yield* withSecretsManager(holding({ AWSCURRENT: `${keyOf(1)}\n` }))
        assert.deepStrictEqual(yield* derived(current.env), yield* expected(1))
        const both = yield* withSecretsManager(holding({ AWSCURRENT: keyOf(1), AWSPREVIOUS: keyOf(2) }))
        assert.deepStrictEqual(
          yield* derived({ ...both.env, ENCRYPTION_KEY_PREVIOUS: keyOf(3) }),
          yield* expected(1, 2, 3)
        )
      })
    )

    it.effect("that has no such secret, or no key in it, stops the program with a sentence", () =>
      Effect.gen(function* () {
        const elsewhere = yield* withSecretsManager(holding({ AWSCURRENT: keyOf(1) }), "other")
        const missing = yield* Effect.flip(derived(elsewhere.env))
        assert.include(missing.message, "'other/encryption-key'")
        assert.include(missing.message, "no such secret")
        const wrong = yield* withSecretsManager(holding({ AWSCURRENT: "hunter2" }))
        const { message } = yield* Effect.flip(derived(wrong.env))
        assert.include(message, "32 bytes in base64")
        assert.notInclude(message, "hunter2")
      })
    )

    it.effect("that refuses is not asked again, and one in trouble is", () =>
      Effect.gen(function* () {
        const denying = yield* withSecretsManager(() => ({
          status: 400,
          body: { __type: "AccessDeniedException", message: "not you" }
        }))
        assert.include((yield* Effect.flip(derived(denying.env))).message, "AccessDeniedException: not you")
        assert.strictEqual(denying.state.asked, 1)
        const troubles = { left: 2 }
        const recovering = yield* withSecretsManager((question) =>
          troubles.left-- > 0
            ? { status: 500, body: { __type: "InternalServiceError" } }
            : holding({ AWSCURRENT: keyOf(1) })(question)
        )
        assert.deepStrictEqual(yield* derived(recovering.env), yield* expected(1))
      })
    )
  })
})
