import type { Prompt, PromptDefinition, PromptMessage, PromptOutcome } from "@devops-mcp/mcp-server/registry/Prompts"
import type { ContentBlock } from "@devops-mcp/mcp-server/registry/RegisteredTool"
import { Effect, Option, Schema } from "effect"
import { accepted, elicitation, imageBlock, textBlock } from "./FixtureTool.ts"

const user = (content: ContentBlock): PromptMessage => ({ role: "user", content })

const required = (name: string, description: string) => ({ name, description, required: true })

const fixturePrompt = (
  name: string,
  description: string,
  arguments_: PromptDefinition["arguments"],
  get: (
    given: Readonly<Record<string, string>>,
    responses: Readonly<Record<string, unknown>>
  ) => ReadonlyArray<PromptMessage> | PromptOutcome,
  values: ReadonlyArray<string> = []
): Prompt => ({
  definition: { name, title: name, description, arguments: arguments_ },
  scope: "tools:read",
  get: (_principal, given, responses) => {
    const got = get(given, responses)
    return Effect.succeed("_tag" in got ? got : { _tag: "Messages", description, messages: got })
  },
  complete: (_principal, _argument, typed) => Effect.succeed(values.filter((value) => value.startsWith(typed)))
})

const decodeContext = Schema.decodeUnknownOption(Schema.Struct({ user_context: accepted({ context: Schema.String }) }))

/** A prompt with each kind of content, one with completions, and one that asks first. */
export const prompts: ReadonlyArray<Prompt> = [
  fixturePrompt("test_simple_prompt", "Has no arguments.", [], () => [
    user(textBlock("This is a simple prompt for testing."))
  ]),
  fixturePrompt(
    "test_prompt_with_arguments",
    "Has two arguments.",
    [required("arg1", "The first argument"), required("arg2", "The second argument")],
    ({ arg1, arg2 }) => [user(textBlock(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    ["paris", "park", "party"]
  ),
  fixturePrompt(
    "test_prompt_with_embedded_resource",
    "Has a resource in it.",
    [required("resourceUri", "The resource to have in it")],
    ({ resourceUri = "" }) => [
      user({
        type: "resource",
        resource: { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." }
      }),
      user(textBlock("Please process the embedded resource above."))
    ]
  ),
  fixturePrompt("test_prompt_with_image", "Has an image in it.", [], () => [
    user(imageBlock),
    user(textBlock("Please analyze the image above."))
  ]),
  fixturePrompt("test_input_required_result_prompt", "Asks for its context first.", [], (_given, responses) =>
    Option.match(decodeContext(responses), {
      onNone: () => ({
        _tag: "InputRequired",
        requests: {
          user_context: elicitation("What context should the prompt use?", { context: { type: "string" } })
        }
      }),
      onSome: ({ user_context }) => [user(textBlock(`Context: ${user_context.content.context}`))]
    })
  )
]
