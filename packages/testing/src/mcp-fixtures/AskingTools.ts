import type { InputRequest } from "@devops-mcp/mcp-server/registry/RegisteredTool"
import type { RunnableTool } from "@devops-mcp/mcp-server/registry/ToolSource"
import { Effect, Option, Schema } from "effect"
import {
  accepted,
  Elicited,
  elicitation,
  fixtureTool,
  listRoots,
  noParameters,
  Roots,
  Sampled,
  sampling,
  say,
  withAnswers
} from "./FixtureTool.ts"

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const string = { type: "string" }

/** Asks the user and says what was answered. */
const elicits = (name: string, description: string, question: InputRequest) =>
  fixtureTool({
    name,
    description,
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(call, { answer: question }, { answer: Elicited }, ({ answer }) =>
          say(`Elicitation completed: action=${answer.action}, content=${encodeJson(answer.content ?? {})}`)
        )
      )
  })

const choices = (prefix: string, word: string) =>
  ["First", "Second", "Third"].map((ordinal, index) => ({
    const: `${prefix}${index + 1}`,
    title: `${ordinal} ${word}`
  }))

const options = ["option1", "option2", "option3"]

/** Tools that need something of the client: its user, its model, its workspace. In either era they ask by an outcome. */
export const askingTools: ReadonlyArray<RunnableTool> = [
  fixtureTool({
    name: "test_sampling",
    description: "Asks the client's model.",
    parameters: Schema.Struct({ prompt: Schema.String }),
    run: (call, { prompt }) =>
      Effect.succeed(
        withAnswers(call, { sample: sampling(prompt) }, { sample: Sampled }, ({ sample }) =>
          say(`LLM response: ${sample.content.text}`)
        )
      )
  }),
  fixtureTool({
    name: "test_elicitation",
    description: "Asks the client's user.",
    parameters: Schema.Struct({ message: Schema.String }),
    run: (call, { message }) =>
      Effect.succeed(
        withAnswers(
          call,
          {
            answer: elicitation(message, {
              username: { ...string, description: "User's response" },
              email: { ...string, description: "User's email address" }
            })
          },
          { answer: Elicited },
          ({ answer }) => say(`User response: action=${answer.action}, content=${encodeJson(answer.content ?? {})}`)
        )
      )
  }),
  elicits(
    "test_elicitation_sep1034_defaults",
    "Asks the user with a default for each primitive type.",
    elicitation(
      "Check the values",
      {
        name: { ...string, default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { ...string, enum: ["active", "inactive", "pending"], default: "active" },
        verified: { type: "boolean", default: true }
      },
      []
    )
  ),
  elicits(
    "test_elicitation_sep1330_enums",
    "Asks the user with each way to write an enumeration.",
    elicitation(
      "Choose",
      {
        untitledSingle: { ...string, enum: options },
        titledSingle: { ...string, oneOf: choices("value", "Option") },
        legacyEnum: {
          ...string,
          enum: ["opt1", "opt2", "opt3"],
          enumNames: ["Option One", "Option Two", "Option Three"]
        },
        untitledMulti: { type: "array", items: { ...string, enum: options } },
        titledMulti: { type: "array", items: { anyOf: choices("value", "Choice") } }
      },
      []
    )
  ),
  elicits("test_streaming_elicitation", "Asks the user.", elicitation("What next?", { next: string })),
  fixtureTool({
    name: "test_missing_capability",
    description: "Needs the client's model.",
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(call, { sample: sampling("Anything") }, { sample: Sampled }, ({ sample }) =>
          say(sample.content.text)
        )
      )
  }),
  fixtureTool({
    name: "test_input_required_result_elicitation",
    description: "Asks for the user's name.",
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(
          call,
          { user_name: elicitation("What is your name?", { name: string }) },
          { user_name: accepted({ name: Schema.String }) },
          ({ user_name }) => say(`Hello, ${user_name.content.name}!`)
        )
      )
  }),
  fixtureTool({
    name: "test_input_required_result_sampling",
    description: "Asks the client's model for a capital.",
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(
          call,
          { capital_question: sampling("What is the capital of France?") },
          { capital_question: Sampled },
          ({ capital_question }) => say(capital_question.content.text)
        )
      )
  }),
  fixtureTool({
    name: "test_input_required_result_list_roots",
    description: "Asks for the client's workspace.",
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(call, { client_roots: listRoots }, { client_roots: Roots }, ({ client_roots }) =>
          say(`Roots: ${client_roots.roots.map((root) => root.uri).join(", ")}`)
        )
      )
  }),
  ...["test_input_required_result_request_state", "test_input_required_result_tampered_state"].map((name) =>
    fixtureTool({
      name,
      description: "Asks for a confirmation and keeps a state meanwhile.",
      parameters: noParameters,
      run: (call) =>
        Effect.succeed(
          withAnswers(
            call,
            { confirm: elicitation("Please confirm", { ok: { type: "boolean" } }) },
            { confirm: accepted({ ok: Schema.Boolean }) },
            () => say(call.state === "asked" ? "state-ok" : "The state is lost"),
            "asked"
          )
        )
    })
  ),
  fixtureTool({
    name: "test_input_required_result_multiple_inputs",
    description: "Asks the user, the model and the workspace at once.",
    parameters: noParameters,
    run: (call) =>
      Effect.succeed(
        withAnswers(
          call,
          {
            user_name: elicitation("What is your name?", { name: string }),
            greeting: sampling("Generate a greeting", 50),
            client_roots: listRoots
          },
          { user_name: accepted({ name: Schema.String }), greeting: Sampled, client_roots: Roots },
          ({ client_roots, greeting, user_name }) =>
            say(`${greeting.content.text} ${user_name.content.name}, ${client_roots.roots.length} roots`),
          "asked"
        )
      )
  }),
  fixtureTool({
    name: "test_input_required_result_multi_round",
    description: "Asks twice, the second question after the first answer.",
    parameters: noParameters,
    run: (call) => {
      const first = Schema.decodeUnknownOption(Schema.Struct({ name: Schema.String }))(call.state)
      return Effect.succeed(
        Option.isNone(first)
          ? withAnswers(
              call,
              { step1: elicitation("Step 1: What is your name?", { name: string }) },
              { step1: accepted({ name: Schema.String }) },
              ({ step1 }) => ({
                _tag: "InputRequired",
                requests: { step2: elicitation("Step 2: What is your favorite color?", { color: string }) },
                state: { name: step1.content.name }
              }),
              "first"
            )
          : withAnswers(
              call,
              { step2: elicitation("Step 2: What is your favorite color?", { color: string }) },
              { step2: accepted({ color: Schema.String }) },
              ({ step2 }) => say(`${first.value.name} likes ${step2.content.color}`),
              { name: first.value.name }
            )
      )
    }
  }),
  fixtureTool({
    name: "test_input_required_result_capabilities",
    description: "Asks what the client can answer, and nothing else.",
    parameters: noParameters,
    run: ({ client }) =>
      Effect.succeed({
        _tag: "InputRequired",
        requests: {
          ...("elicitation" in client.capabilities ? { user: elicitation("Anything?", { anything: string }) } : {}),
          ...("sampling" in client.capabilities ? { model: sampling("Anything?") } : {}),
          ...("roots" in client.capabilities ? { workspace: listRoots } : {})
        }
      })
  })
]
