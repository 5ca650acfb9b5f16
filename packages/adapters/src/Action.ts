import { ToolFailure, type AdapterAction } from "@devops-mcp/core/ports/ToolAdapter"
import type { Risk } from "@devops-mcp/domain/Tool"
import { Effect, Schema } from "effect"

/** Readable messages are for an agent; a hostile argument object cannot make them long. */
const maxMessageLength = 2000

/** A failure that the agent can mend by changing its arguments. */
export const invalidArguments = (detail: string) =>
  new ToolFailure({ code: "invalid_arguments", detail, retryable: false })

/** A failure that says which thing the arguments named is not there. */
export const notFound = (detail: string) => new ToolFailure({ code: "not_found", detail, retryable: false })

/**
 * One self-contained JSON Schema 2020-12 of a schema's encoded side: an object at the root, shared parts under `$defs`.
 * `closed` writes that unknown properties are refused, as the decoders here do.
 */
export const jsonSchemaOf = (schema: Schema.Constraint, options: { readonly closed: boolean }): Schema.JsonObject => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema, {
    onExcessProperty: options.closed ? "error" : "ignore"
  })
  const key = typeof root.$ref === "string" ? root.$ref.slice("#/$defs/".length) : ""
  const object = definitions[key] ?? root
  return Schema.decodeUnknownSync(Schema.JsonObject)(
    Object.keys(definitions).length === 0 ? object : { ...object, $defs: definitions }
  )
}

/** Decodes plain JSON from outside; unknown properties are refused, and the failure names every wrong place. */
const decodeWith = <A, I>(schema: Schema.Codec<A, I>, what: string) => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema), { onExcessProperty: "error", errors: "all" })
  return (json: unknown) =>
    decode(json).pipe(
      Effect.mapError((error) => invalidArguments(`${what} not valid: ${error.message.slice(0, maxMessageLength)}`))
    )
}

/** What an adapter's `checkConfig` and its actions decode an instance's config with. */
export const decodeConfig = <A, I>(schema: Schema.Codec<A, I>) => decodeWith(schema, "The tool's configuration is")

/**
 * An action from Effect Schemas: they become its JSON Schemas once, check what comes in and encode what goes out.
 * So `run` sees decoded values only, and a result that does not fit `output` is our defect, never the agent's error.
 */
export const action = <Config, ConfigEncoded, Input, InputEncoded, Output, OutputEncoded>(options: {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly risk: Risk
  readonly config: Schema.Codec<Config, ConfigEncoded>
  readonly input: Schema.Codec<Input, InputEncoded>
  readonly output: Schema.Codec<Output, OutputEncoded>
  readonly longRunning?: true
  readonly run: (input: Input, config: Config) => Effect.Effect<Output, ToolFailure>
}): AdapterAction => {
  const config = decodeConfig(options.config)
  const input = decodeWith(options.input, "The arguments are")
  const encode = Schema.encodeEffect(Schema.toCodecJson(options.output))
  const toObject = Schema.decodeUnknownEffect(Schema.JsonObject)
  return {
    name: options.name,
    title: options.title,
    description: options.description,
    risk: options.risk,
    ...(options.longRunning === undefined ? {} : { longRunning: options.longRunning }),
    inputSchema: jsonSchemaOf(options.input, { closed: true }),
    outputSchema: jsonSchemaOf(options.output, { closed: false }),
    run: Effect.fn("AdapterAction.run")(function* (rawConfig, rawInput) {
      yield* Effect.annotateCurrentSpan({ action: options.name })
      const output = yield* options.run(yield* input(rawInput), yield* config(rawConfig))
      return yield* encode(output).pipe(Effect.flatMap(toObject), Effect.orDie)
    })
  }
}
