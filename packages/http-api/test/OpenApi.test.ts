import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { send, TestServer } from "./TestServer.ts"

const Objects = Schema.Record(Schema.String, Schema.Unknown)

const Operation = Schema.Struct({
  operationId: Schema.NonEmptyString,
  tags: Schema.NonEmptyArray(Schema.String),
  parameters: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        name: Schema.NonEmptyString,
        in: Schema.Literals(["path", "query", "header", "cookie"]),
        required: Schema.optionalKey(Schema.Boolean),
        schema: Objects
      })
    )
  ),
  responses: Schema.Record(
    Schema.String,
    Schema.Struct({
      description: Schema.String,
      headers: Schema.optionalKey(Schema.Record(Schema.String, Objects)),
      content: Schema.optionalKey(Schema.Record(Schema.String, Objects))
    })
  ),
  security: Schema.optionalKey(Schema.Array(Objects))
})

/** The parts of OpenAPI 3.1 that our document uses. */
const Document = Schema.Struct({
  openapi: Schema.String.check(Schema.isPattern(/^3\.1\.\d+$/)),
  info: Schema.Struct({ title: Schema.Literal("DevOps MCP"), version: Schema.NonEmptyString }),
  paths: Schema.Record(Schema.String, Schema.Record(Schema.String, Operation)),
  components: Schema.Struct({ schemas: Schema.Record(Schema.String, Objects), securitySchemes: Objects }),
  security: Schema.Array(Objects),
  tags: Schema.Array(Schema.Struct({ name: Schema.String }))
})

const methods = new Set(["get", "put", "post", "delete", "options", "head", "patch", "trace"])

const isObject = Schema.is(Objects)

/** Every object in a document, with where it is. */
const walk = function* (value: unknown, at = "#"): Generator<readonly [string, Readonly<Record<string, unknown>>]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* walk(item, `${at}/${index}`)
  if (!isObject(value)) return
  yield [at, value]
  for (const [key, item] of Object.entries(value)) yield* walk(item, `${at}/${key}`)
}

const json = Effect.map(send("GET", "/openapi.json"), (answer) => answer.json)
const document = Effect.flatMap(json, Schema.decodeUnknownEffect(Document))

const operations = Effect.map(document, ({ paths }) =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, ...operation }))
  )
)

layer(TestServer, { excludeTestServices: true })("OpenAPI document", (it) => {
  it.effect("has no reference that leads nowhere", () =>
    Effect.gen(function* () {
      const api: unknown = yield* json
      const references = [...walk(api)].flatMap(([, { $ref }]) => (typeof $ref === "string" ? [$ref] : []))
      assert.isAbove(references.length, 100)
      const target = ($ref: string) =>
        $ref
          .slice(2)
          .split("/")
          .reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), api)
      assert.deepStrictEqual(
        references.filter((reference) => !reference.startsWith("#/") || target(reference) === undefined),
        []
      )
    })
  )

  it.effect("has well formed operations with unique ids, known tags and every parameter of their path", () =>
    Effect.gen(function* () {
      const tags = (yield* document).tags.map(({ name }) => name)
      const all = yield* operations
      assert.isAbove(all.length, 35)
      assert.strictEqual(new Set(all.map(({ operationId }) => operationId)).size, all.length)
      for (const operation of all) {
        assert.isTrue(operation.path.startsWith("/") && methods.has(operation.method), operation.path)
        assert.isAbove(Object.keys(operation.responses).length, 0)
        assert.includeMembers(tags, [...operation.tags])
        const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === "path")
        assert.deepStrictEqual(
          inPath.map(({ name }) => name),
          [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        )
        assert.isTrue(inPath.every(({ required }) => required === true))
      }
    })
  )

  it.effect("documents the headers that tell of limits, and when to try again", () =>
    Effect.gen(function* () {
      for (const { operationId, responses, tags } of yield* operations) {
        if (tags.includes("Health") || tags.includes("Deliveries")) continue
        for (const [status, { headers = {} }] of Object.entries(responses)) {
          const of = `${operationId} ${status}`
          assert.strictEqual("RateLimit-Remaining" in headers, status !== "401", of)
          assert.strictEqual("Retry-After" in headers, ["409", "429", "503"].includes(status), of)
        }
      }
    })
  )

  it.effect("documents the problems of every operation as problem details", () =>
    Effect.gen(function* () {
      for (const { method, path, responses, tags } of yield* operations) {
        if (tags.includes("Health")) continue
        const problems = Object.entries(responses).filter(([status]) => Number(status) >= 400)
        assert.includeMembers(
          problems.map(([status]) => status),
          ["400", "401", "404", "413", "415", "500", "503"]
        )
        for (const [status, { content }] of problems) {
          assert.deepStrictEqual(
            Object.keys(content ?? {}),
            ["application/problem+json"],
            `${method} ${path} ${status}`
          )
        }
      }
    })
  )

  it.effect("describes schemas and parameters as clients use them", () =>
    Effect.gen(function* () {
      const { components } = yield* document
      assert.containSubset(components.schemas, { BadRequest: { type: "object" }, AgentContext: { type: "object" } })
      assert.notInclude(Object.keys(components.schemas).join(), "Encoded")
      const list = (yield* operations).find(({ operationId }) => operationId === "events.list")
      assert.deepStrictEqual(
        list?.parameters?.find(({ name }) => name === "limit"),
        {
          name: "limit",
          in: "query",
          required: false,
          schema: { type: "integer", minimum: 1, maximum: 200, default: 50 }
        }
      )
    })
  )

  it.effect("asks for a credential everywhere except for deliveries and health", () =>
    Effect.gen(function* () {
      const { components, security } = yield* document
      assert.deepStrictEqual(Object.keys(components.securitySchemes), ["bearer", "apiKey"])
      assert.deepStrictEqual(security, [{ bearer: [] }, { apiKey: [] }])
      const open = (yield* operations).filter((operation) => operation.security !== undefined)
      assert.deepStrictEqual(
        open.map(({ path, security }) => [path, security]),
        [
          ["/webhooks/{id}", []],
          ["/livez", []],
          ["/readyz", []],
          ["/metrics", []]
        ]
      )
    })
  )
})
