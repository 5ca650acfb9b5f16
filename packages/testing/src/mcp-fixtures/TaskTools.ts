import { TaskFailed, type TaskResult, type TaskRunner } from "@devops-mcp/core/tasks/TaskRunner"
import type { Tasks } from "@devops-mcp/core/tasks/Tasks"
import type { ToolOutcome } from "@devops-mcp/mcp-server/registry/RegisteredTool"
import { declaresTasks } from "@devops-mcp/mcp-server/registry/TaskRegistry"
import type { RunningCall } from "@devops-mcp/mcp-server/registry/ToolCall"
import type { RunnableTool } from "@devops-mcp/mcp-server/registry/ToolSource"
import { Duration, Effect, Schema } from "effect"
import {
  accepted,
  Elicited,
  elicitation,
  fixtureTool,
  noParameters,
  say,
  textBlock,
  withAnswers
} from "./FixtureTool.ts"

const done = (text: string): TaskResult => ({ content: [textBlock(text)], isError: false })

const SlowCompute = Schema.Struct({
  seconds: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 600 })),
  label: Schema.optionalKey(Schema.String)
})

const compute = ({ label = "unnamed", seconds }: typeof SlowCompute.Type) =>
  Effect.as(Effect.sleep(Duration.seconds(seconds)), `Computed ${label} for ${seconds} s`)

const Named = Schema.Struct({ name: Schema.String })

/** The input is what the tool gave, so anything else is a defect. */
const inputOf =
  <S extends Schema.Decoder<unknown>>(schema: S) =>
  (input: Schema.JsonObject) =>
    Effect.orDie(Schema.decodeEffect(schema)(input))

/** Who does the work of the fixture tools' tasks. A kind is named as its tool. */
export const taskRunners: ReadonlyArray<TaskRunner> = [
  {
    kind: "slow_compute",
    run: ({ input }) => inputOf(SlowCompute)(input).pipe(Effect.flatMap(compute), Effect.map(done))
  },
  {
    kind: "failing_job",
    run: () =>
      Effect.as(Effect.sleep("1 second"), { content: [textBlock("The job failed, as it always does")], isError: true })
  },
  {
    kind: "protocol_error_job",
    run: () => Effect.fail(new TaskFailed({ code: "broken", detail: "The job could not be done at all" }))
  },
  {
    kind: "confirm_delete",
    run: Effect.fnUntraced(function* ({ ask }) {
      const answers = yield* ask({ confirm: { ...elicitation("Delete it?", { confirm: { type: "boolean" } }) } })
      const { confirm } = yield* inputOf(Schema.Struct({ confirm: Elicited }))(answers)
      return done(confirm.action === "accept" ? "Deleted" : "Kept")
    })
  },
  {
    kind: "multi_input",
    run: Effect.fnUntraced(function* ({ ask }) {
      const answers = yield* ask({
        first: { ...elicitation("The first name?", { name: { type: "string" } }) },
        second: { ...elicitation("The second name?", { name: { type: "string" } }) }
      })
      return done(`${Object.keys(answers).length} answers`)
    })
  },
  {
    kind: "test_tool_with_task",
    run: ({ input }) => Effect.map(inputOf(Named)(input), ({ name }) => done(`Hello, ${name}!`))
  }
]

/** One tool that never makes a task, one that makes one for clients that can, and those that cannot do without. */
export const taskTools = (tasks: Tasks["Service"]): ReadonlyArray<RunnableTool> => {
  const start = ({ principal }: RunningCall, kind: string, input: Schema.JsonObject) =>
    Effect.map(tasks.start(principal, { kind, input }), (task): ToolOutcome => ({ _tag: "Task", task }))

  const onlyAsTask = (name: string, description: string) =>
    fixtureTool({
      name,
      description,
      parameters: Schema.Struct({ filename: Schema.optionalKey(Schema.String) }),
      execution: "task-required",
      run: (call, input) => start(call, name, input)
    })

  return [
    fixtureTool({
      name: "greet",
      description: "Greets at once.",
      parameters: Named,
      run: (_call, { name }) => Effect.succeed(say(`Hello, ${name}!`))
    }),
    fixtureTool({
      name: "slow_compute",
      description: "Takes as long as it is told.",
      parameters: SlowCompute,
      execution: "task",
      run: (call, input) =>
        declaresTasks(call.client.capabilities) ? start(call, "slow_compute", input) : Effect.map(compute(input), say)
    }),
    onlyAsTask("failing_job", "Fails after a second, and says so in its result."),
    onlyAsTask("protocol_error_job", "Cannot be done at all."),
    onlyAsTask("confirm_delete", "Asks for a confirmation while it runs."),
    onlyAsTask("multi_input", "Asks two questions at once while it runs."),
    fixtureTool({
      name: "test_tool_with_task",
      description: "Asks for the user's name, and greets in a task.",
      parameters: noParameters,
      execution: "task-required",
      run: (call) => {
        const outcome = withAnswers(
          call,
          { user_name: elicitation("What is your name?", { name: { type: "string" } }) },
          { user_name: accepted({ name: Schema.String }) },
          ({ user_name }) => user_name.content.name
        )
        return typeof outcome === "string"
          ? start(call, "test_tool_with_task", { name: outcome })
          : Effect.succeed(outcome)
      }
    })
  ]
}
