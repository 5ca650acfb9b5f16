import { Effect, type Schema } from "effect"
import { GitAdapter } from "../../src/git/GitAdapter.ts"

const run = Effect.fnUntraced(function* (name: string, input: Schema.JsonObject, config: Schema.JsonObject) {
  const adapter = yield* GitAdapter
  const action = adapter.actions.find((each) => each.name === name)
  if (action === undefined) return yield* Effect.die(`no action ${name}`)
  return yield* action.run(config, input)
})

/** An action's result; plain JSON as a client of any language would see it, hence without types. */
export const call = (name: string, input: Schema.JsonObject, config: Schema.JsonObject = {}) =>
  // oxlint-disable-next-line typescript/no-explicit-any
  Effect.map(run(name, input, config), (result): any => result)

/** The failure of an action that must fail. */
export const failure = (name: string, input: Schema.JsonObject, config: Schema.JsonObject = {}) =>
  Effect.flip(run(name, input, config))
