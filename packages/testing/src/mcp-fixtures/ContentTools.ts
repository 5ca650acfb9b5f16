import { Change, type Changes } from "@devops-mcp/core/changes/Changes"
import type { ToolOutcome } from "@devops-mcp/mcp-server/registry/RegisteredTool"
import type { RunnableTool } from "@devops-mcp/mcp-server/registry/ToolSource"
import { Effect, Schema } from "effect"
import { content, fixtureTool, imageBlock, noParameters, say, textBlock, wav } from "./FixtureTool.ts"

const answers = (name: string, description: string, outcome: ToolOutcome) =>
  fixtureTool({ name, description, parameters: noParameters, run: () => Effect.succeed(outcome) })

/** Between two notifications of one call, so that they do not arrive as one. */
const pause = Effect.sleep("50 millis")

const schema2020 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } }
    }
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" }
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // A keyword of JSON Schema; nobody awaits this.
  // oxlint-disable-next-line unicorn/no-thenable
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false
} as const

/** Every kind of content, progress, logging, and schemas that must arrive as they are. */
export const contentTools = (changes: Changes["Service"]): ReadonlyArray<RunnableTool> => [
  answers("test_simple_text", "Answers a line of text.", say("This is a simple text response for testing.")),
  answers("test_image_content", "Answers an image.", content(imageBlock)),
  answers("test_audio_content", "Answers a sound.", content({ type: "audio", data: wav, mimeType: "audio/wav" })),
  answers(
    "test_embedded_resource",
    "Answers a resource.",
    content({
      type: "resource",
      resource: {
        uri: "test://embedded-resource",
        mimeType: "text/plain",
        text: "This is an embedded resource content."
      }
    })
  ),
  answers(
    "test_multiple_content_types",
    "Answers text, an image and a resource.",
    content(textBlock("Multiple content types test:"), imageBlock, {
      type: "resource",
      resource: {
        uri: "test://mixed-content-resource",
        mimeType: "application/json",
        text: `{"test":"data","value":123}`
      }
    })
  ),
  answers("test_error_handling", "Always fails.", {
    _tag: "Content",
    content: [textBlock("This tool intentionally returns an error for testing")],
    isError: true
  }),
  fixtureTool({
    name: "test_tool_with_logging",
    description: "Logs three lines while it runs.",
    parameters: noParameters,
    run: Effect.fnUntraced(function* ({ client }) {
      yield* client.log("info", "Tool execution started")
      yield* pause
      yield* client.log("info", "Tool processing data")
      yield* pause
      yield* client.log("info", "Tool execution completed")
      return say("Three lines were logged.")
    })
  }),
  fixtureTool({
    name: "test_logging_tool",
    description: "Logs a line while it runs.",
    parameters: noParameters,
    run: ({ client }) => Effect.as(client.log("info", "A line"), say("A line was logged."))
  }),
  fixtureTool({
    name: "test_tool_with_progress",
    description: "Reports progress three times while it runs.",
    parameters: noParameters,
    run: Effect.fnUntraced(function* ({ client }) {
      for (const progress of [0, 50, 100]) {
        yield* client.progress({ progress, total: 100 })
        yield* pause
      }
      return say("Progress was reported.")
    })
  }),
  fixtureTool({
    name: "json_schema_2020_12_tool",
    description: "Tool with JSON Schema 2020-12 features",
    parameters: Schema.JsonObject,
    inputSchema: schema2020,
    run: () => Effect.succeed(say("The schema is what matters."))
  }),
  fixtureTool({
    name: "test_x_mcp_header",
    description: "Has an argument that a header repeats.",
    parameters: Schema.Struct({ region: Schema.optionalKey(Schema.String) }),
    inputSchema: {
      type: "object",
      properties: { region: { type: "string", description: "Where to look", "x-mcp-header": "Region" } },
      additionalProperties: false
    },
    headers: [{ name: "Region", path: ["region"] }],
    run: (_call, { region = "anywhere" }) => Effect.succeed(say(`Region: ${region}`))
  }),
  fixtureTool({
    name: "test_trigger_tool_change",
    description: "Announces that the tools have changed.",
    parameters: noParameters,
    run: ({ principal: { tenantId } }) =>
      Effect.as(changes.announce(Change.cases.ToolsChanged.make({ tenantId })), say("Announced."))
  }),
  fixtureTool({
    name: "test_trigger_prompt_change",
    description: "Announces that the prompts have changed.",
    parameters: noParameters,
    run: ({ principal: { tenantId } }) =>
      Effect.as(changes.announce(Change.cases.PromptsChanged.make({ tenantId })), say("Announced."))
  })
]
