import { Connections } from "@devops-mcp/core/connections/Connections"
import * as BusMemory from "@devops-mcp/cache/BusMemory"
import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Confirmations } from "@devops-mcp/core/access/Confirmations"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { scopesOf } from "@devops-mcp/core/Policy"
import { type ToolAdapter, ToolAdapters, type ToolCredentials, ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import type { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { NotFound } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { anySealedText, freshId, TestSecrets, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, References, type Schema } from "effect"

const tenantId = freshId(TenantId)

const caller: Principal = {
  tenantId,
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: "operator",
  role: "operator",
  scopes: scopesOf("operator")
}

const wanted = new ToolFailure({ code: "invalid_arguments", detail: "credentials are wanted", retryable: false })

/** Answers how long its token is, which only who has the token knows. */
const lengthOf = (credentials: ToolCredentials | undefined) =>
  credentials === undefined
    ? Effect.fail(wanted)
    : Effect.succeed({ length: String(Redacted.value(credentials)["token"]).length })

const open: ToolAdapter = {
  kind: "open",
  title: "Takes none",
  configSchema: { type: "object" },
  checkConfig: () => Effect.void,
  actions: [
    {
      name: "count",
      title: "Count",
      description: "Counts",
      risk: "read",
      inputSchema: { type: "object" },
      run: (_config, _input, credentials) => lengthOf(credentials)
    }
  ],
  health: (_config, credentials) => Effect.asVoid(lengthOf(credentials))
}

const guarded: ToolAdapter = {
  ...open,
  kind: "guarded",
  title: "Takes a token",
  credentialsSchema: {
    type: "object",
    properties: {
      token: { type: "string", minLength: 4 },
      user: { type: "object", properties: { id: { type: "string" } } }
    },
    required: ["token"],
    additionalProperties: false
  }
}

/** Rows in memory, with what is stored beside them. */
const rows = new Map<string, { readonly tool: Tool; readonly credentials: SealedText | null }>()

const row = (name: string) => {
  const found = rows.get(name)
  return found === undefined ? Effect.fail(new NotFound({ resource: "tool", id: name })) : Effect.succeed(found)
}

const Repository = Layer.mock(ToolRepository, {
  create: (_, tool, credentials = undefined) =>
    Effect.sync(() => {
      rows.set(tool.name, { tool, credentials: credentials ?? null })
      return tool
    }),
  get: (_, name) => Effect.map(row(name), ({ tool }) => tool),
  credentials: (_, id) =>
    Effect.sync(() => Option.fromNullishOr([...rows.values()].find(({ tool }) => tool.id === id)?.credentials)),
  update: (_, name, { config, credentials }) =>
    Effect.map(row(name), (stored) => {
      const tool = { ...stored.tool, version: stored.tool.version + 1, config: config ?? stored.tool.config }
      rows.set(name, { tool, credentials: credentials === undefined ? stored.credentials : credentials })
      return tool
    })
})

const TestLayer = Tools.layer.pipe(
  Layer.provide([
    Repository,
    Layer.mock(Connections, {}),
    TestSecrets,
    Layer.succeed(ToolAdapters, new Map([open, guarded].map((adapter) => [adapter.kind, adapter]))),
    Confirmations.layer.pipe(Layer.provide([CacheMemory.layer, TestSigningKey]))
  ]),
  Layer.provide(Changes.layer),
  Layer.provide([BusMemory.layer, NodeCrypto.layer]),
  Layer.merge(Layer.succeed(References.MinimumLogLevel, "None"))
)

const create = (name: string, credentials?: Schema.JsonObject, kind = "guarded") =>
  Tools.use((tools) =>
    tools.create(tenantId, {
      name,
      kind,
      ...(credentials === undefined ? {} : { credentials: Redacted.make(credentials) })
    })
  )

const count = (name: string) => Tools.use((tools) => tools.execute(caller, name, "count", {}))

const refusal = (attempt: ReturnType<typeof create>) =>
  Effect.map(Effect.flip(attempt), (error) =>
    error._tag === "@devops-mcp/domain/Errors/InvalidInput" ? [error.pointer, error.detail] : [error._tag, ""]
  )

const secret = "s3cr3t-token"

layer(TestLayer)("a tool's credentials", (it) => {
  it.effect("reach its adapter, and lie sealed beside the tool", () =>
    Effect.gen(function* () {
      const tool = yield* create("a", { token: secret })
      assert.deepStrictEqual((yield* count("a")).result, { length: secret.length })
      yield* Tools.use((tools) => tools.health(tenantId, "a"))
      assert.notInclude(JSON.stringify(tool), secret)
      assert.match(String(rows.get("a")?.credentials), /^dms1\./)
      assert.notInclude(String(rows.get("a")?.credentials), secret)
    })
  )

  it.effect("can be replaced and taken away, and stay when only the config changes", () =>
    Effect.gen(function* () {
      const tools = yield* Tools
      yield* create("b", { token: secret })
      yield* tools.update(tenantId, "b", { config: { x: 1 } })
      assert.deepStrictEqual((yield* count("b")).result, { length: secret.length })
      const changed = yield* tools.update(tenantId, "b", { credentials: Redacted.make({ token: "another one" }) })
      assert.deepStrictEqual([changed.config, changed.version], [{ x: 1 }, 3])
      assert.deepStrictEqual((yield* count("b")).result, { length: "another one".length })
      yield* tools.update(tenantId, "b", { credentials: null })
      assert.isTrue((yield* count("b")).isError)
    })
  )

  it.effect("are refused where none are taken", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal(create("c", { token: secret }, "open")), [
        "/credentials",
        "A tool of the kind 'open' takes no credentials"
      ])
      assert.isUndefined(rows.get("c"))
    })
  )

  it.effect("fit the schema of their kind, and what is wrong with them is said without them", () =>
    Effect.gen(function* () {
      for (const [credentials, pointer] of [
        [{}, "/credentials/token"],
        [{ token: { [secret]: secret } }, "/credentials/token"],
        [{ token: "abc" }, "/credentials/token"],
        [{ token: secret, user: { id: 7 } }, "/credentials/user/id"],
        [{ token: secret, [secret]: secret }, "/credentials"],
        [{ token: "x".repeat(70_000) }, "/credentials"]
      ] as const) {
        const [where, detail] = yield* refusal(create("d", credentials))
        assert.strictEqual(where, pointer, detail)
        assert.notMatch(`${where} ${detail}`, /s3cr3t|abc|7|xxx/)
      }
      assert.isUndefined(rows.get("d"))
    })
  )

  it.effect("that nobody can read make the call fail with a sentence, whosever they are", () =>
    Effect.gen(function* () {
      yield* create("e", { token: secret })
      yield* create("f", { token: secret })
      const [e, f] = [rows.get("e"), rows.get("f")]
      if (e === undefined || f === undefined) return assert.fail("not stored")
      for (const credentials of [f.credentials, anySealedText]) {
        rows.set("e", { ...e, credentials })
        const { isError, result } = yield* count("e")
        assert.isTrue(isError)
        assert.include(JSON.stringify(result), "cannot be read")
      }
    })
  )
})
