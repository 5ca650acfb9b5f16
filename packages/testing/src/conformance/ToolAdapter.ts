import { ToolAdapters, type ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { describe, expect, layer as testLayer } from "@effect/vitest"
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/server/validators/cf-worker"
import { Effect, Schema, type Layer } from "effect"

/** What the suite needs to know of one adapter. `samples` are arguments that succeed, at least one for each action. */
export interface ToolAdapterSamples {
  readonly kind: string
  readonly config: Schema.JsonObject
  readonly badConfig: Schema.JsonObject
  readonly samples: Readonly<Record<string, ReadonlyArray<Schema.JsonObject>>>
}

const validator = new CfWorkerJsonSchemaValidator()
const errorsOf = (schema: Schema.JsonObject, value: unknown) => {
  const result = validator.getValidator(schema)(value)
  return result.valid ? undefined : result.errorMessage
}

const encodePretty = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown, { space: 2 }))

/** Every `$ref` of a schema points into the schema itself. */
const danglingRefs = (schema: Schema.JsonObject) => {
  const definitions = Object.keys(Schema.decodeUnknownSync(Schema.JsonObject)(schema.$defs ?? {}))
  const refs = [...Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))(schema).matchAll(/"\$ref":"([^"]*)"/g)]
  return refs.map(([, ref]) => ref).filter((ref) => !definitions.some((key) => ref === `#/$defs/${key}`))
}

/**
 * What the platform relies on in any adapter: names and schemas that MCP clients accept, bad arguments and a bad config as
 * failures and never as defects, results that fit the schema they were promised in.
 */
export const toolAdapterSuite = <E>(
  name: string,
  layer: Layer.Layer<ToolAdapters, E>,
  make: Effect.Effect<ToolAdapterSamples, never, ToolAdapters>
) =>
  describe(`ToolAdapter conformance: ${name}`, () => {
    testLayer(layer, { excludeTestServices: true })((it) => {
      const setup = Effect.gen(function* () {
        const given = yield* make
        const adapter = (yield* ToolAdapters).get(given.kind)
        if (adapter === undefined) return yield* Effect.die(`no adapter of the kind ${given.kind}`)
        return { ...given, adapter }
      })
      const codeOf = <A>(effect: Effect.Effect<A, ToolFailure>) =>
        effect.pipe(
          Effect.as("success"),
          Effect.catch(({ code }) => Effect.succeed(code))
        )

      it.effect("names its actions uniquely, in words that make an MCP tool's name", () =>
        Effect.gen(function* () {
          const { adapter, kind } = yield* setup
          const names = adapter.actions.map((action) => action.name)
          expect(adapter.kind).toBe(kind)
          expect(names.length).toBeGreaterThan(0)
          expect(new Set(names).size).toBe(names.length)
          for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]{0,60}$/)
        })
      )

      it.effect("says of each action what it is and how risky", () =>
        Effect.gen(function* () {
          const { adapter } = yield* setup
          expect(adapter.title).not.toBe("")
          for (const action of adapter.actions) {
            expect(action.title, action.name).toMatch(/\S/)
            expect(action.description.length, action.name).toBeGreaterThan(20)
            expect(["read", "write", "destructive"], action.name).toContain(action.risk)
          }
        })
      )

      it.effect("presents its actions as recorded, a file each", () =>
        Effect.gen(function* () {
          const { adapter, kind } = yield* setup
          for (const { run: _, ...action } of adapter.actions) {
            const file = `__snapshots__/${kind}/${action.name}.json`
            yield* Effect.promise(() => expect(`${encodePretty(action)}\n`).toMatchFileSnapshot(file))
          }
        })
      )

      it.effect("gives self-contained JSON Schemas of objects", () =>
        Effect.gen(function* () {
          const { adapter } = yield* setup
          const schemas = adapter.actions.flatMap(({ inputSchema, name, outputSchema }) => [
            { name: `${name} input`, schema: inputSchema },
            ...(outputSchema === undefined ? [] : [{ name: `${name} output`, schema: outputSchema }])
          ])
          for (const { name, schema } of [...schemas, { name: "config", schema: adapter.configSchema }]) {
            expect(schema.type, name).toBe("object")
            expect(danglingRefs(schema), name).toEqual([])
            // Compiles, and no schema here takes an array for an object.
            expect(errorsOf(schema, []), name).toBeDefined()
          }
        })
      )

      it.effect("refuses arguments that do not fit the input schema", () =>
        Effect.gen(function* () {
          const { adapter, config, samples } = yield* setup
          for (const action of adapter.actions) {
            const good = samples[action.name]?.[0] ?? {}
            const unknownProperty = { ...good, no_such_argument: 1 }
            expect(yield* codeOf(action.run(config, unknownProperty)), action.name).toBe("invalid_arguments")
            for (const key of Object.keys(good)) {
              const wrongType = { ...good, [key]: { not: ["a", "plain", "value"] } }
              if (errorsOf(action.inputSchema, wrongType) === undefined) continue
              expect(yield* codeOf(action.run(config, wrongType)), `${action.name} ${key}`).toBe("invalid_arguments")
            }
          }
        })
      )

      it.effect("answers every sample with a result that fits the output schema", () =>
        Effect.gen(function* () {
          const { adapter, config, samples } = yield* setup
          expect(Object.keys(samples).toSorted()).toEqual(adapter.actions.map(({ name }) => name).toSorted())
          for (const action of adapter.actions) {
            const inputs = samples[action.name] ?? []
            expect(inputs.length, action.name).toBeGreaterThan(0)
            for (const input of inputs) {
              expect(errorsOf(action.inputSchema, input), action.name).toBeUndefined()
              const result = yield* action.run(config, input)
              expect(errorsOf(action.outputSchema ?? {}, result), action.name).toBeUndefined()
            }
          }
        })
      )

      it.effect("accepts the good config, refuses the bad one, and is healthy", () =>
        Effect.gen(function* () {
          const { adapter, badConfig, config } = yield* setup
          expect(yield* codeOf(adapter.checkConfig(config))).toBe("success")
          expect(yield* codeOf(adapter.checkConfig(badConfig))).toBe("invalid_arguments")
          expect(yield* codeOf(adapter.checkConfig({ no_such_setting: true }))).toBe("invalid_arguments")
          expect(yield* codeOf(adapter.health(config))).toBe("success")
        })
      )
    })
  })
