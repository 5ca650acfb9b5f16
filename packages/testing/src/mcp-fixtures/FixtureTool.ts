import type { CallFailure } from "@devops-mcp/mcp-server/registry/Failures"
import { inputSchemaOf } from "@devops-mcp/mcp-server/registry/JsonSchemas"
import type {
  ContentBlock,
  Execution,
  InputRequest,
  ObjectSchema,
  ParamHeader,
  ToolOutcome
} from "@devops-mcp/mcp-server/registry/RegisteredTool"
import type { RunningCall } from "@devops-mcp/mcp-server/registry/ToolCall"
import type { RunnableTool } from "@devops-mcp/mcp-server/registry/ToolSource"
import { Effect, Option, Schema } from "effect"

/** The toolset that all of the fixtures are in. */
export const fixtureToolset = "conformance"

interface FixtureToolOptions<P extends Schema.Decoder<unknown>> {
  readonly name: string
  readonly description: string
  readonly parameters: P
  /** In place of what `parameters` gives: for schemas that must arrive word for word. */
  readonly inputSchema?: ObjectSchema
  readonly execution?: Execution
  readonly headers?: ReadonlyArray<ParamHeader>
  readonly run: (call: RunningCall, parameters: P["Type"]) => Effect.Effect<ToolOutcome, CallFailure>
}

/** A tool as a registry's source gives it, for anyone who may read tools. */
export const fixtureTool = <P extends Schema.Decoder<unknown>>({
  description,
  execution = "inline",
  headers = [],
  inputSchema,
  name,
  parameters,
  run
}: FixtureToolOptions<P>): RunnableTool => {
  const decode = Schema.decodeUnknownEffect(parameters)
  return {
    tool: {
      definition: {
        name,
        title: name,
        description,
        inputSchema: inputSchema ?? inputSchemaOf(parameters),
        annotations: {
          title: name,
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false
        }
      },
      toolset: fixtureToolset,
      scope: "tools:read",
      execution,
      headers
    },
    run: (call) => Effect.flatMap(decode(call.arguments), (parameters) => run(call, parameters))
  }
}

export const noParameters = Schema.Struct({})

export const textBlock = (text: string) => ({ type: "text", text }) satisfies ContentBlock

/** One red pixel. */
export const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="

/** A header with no samples behind it. */
export const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

export const imageBlock = { type: "image", data: png, mimeType: "image/png" } satisfies ContentBlock

export const content = (...blocks: ReadonlyArray<ContentBlock>): ToolOutcome => ({
  _tag: "Content",
  content: blocks,
  isError: false
})

export const say = (text: string) => content(textBlock(text))

/** A question to the user, whose answer has these fields. */
export const elicitation = (
  message: string,
  properties: Schema.JsonObject,
  required: ReadonlyArray<string> = Object.keys(properties)
): InputRequest => ({
  method: "elicitation/create",
  params: { message, requestedSchema: { type: "object", properties, required } }
})

export const sampling = (prompt: string, maxTokens = 100): InputRequest => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens }
})

export const listRoots: InputRequest = { method: "roots/list", params: {} }

/** What a user answered, whatever it was. */
export const Elicited = Schema.Struct({
  action: Schema.Literals(["accept", "decline", "cancel"]),
  content: Schema.optionalKey(Schema.JsonObject)
})

/** An answer with these fields. */
export const accepted = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct({ action: Schema.Literal("accept"), content: Schema.Struct(fields) })

export const Sampled = Schema.Struct({ content: Schema.Struct({ text: Schema.String }) })

export const Roots = Schema.Struct({ roots: Schema.Array(Schema.Struct({ uri: Schema.String })) })

/** What `then` makes of the answers once each is there and fits its schema; until then it asks for all of them. */
export const withAnswers = <Answers extends Readonly<Record<string, Schema.Decoder<unknown>>>, A>(
  call: RunningCall,
  requests: { readonly [K in keyof Answers]: InputRequest },
  answers: Answers,
  then: (given: Schema.Struct<Answers>["Type"]) => A,
  state?: Schema.Json
): A | Extract<ToolOutcome, { readonly _tag: "InputRequired" }> => {
  const given = Schema.decodeUnknownOption(Schema.Struct(answers))(call.client.responses)
  return Option.isSome(given)
    ? then(given.value)
    : { _tag: "InputRequired", requests, ...(state === undefined ? {} : { state }) }
}
