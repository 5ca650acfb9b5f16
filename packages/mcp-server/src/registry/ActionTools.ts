import { type CatalogueEntry, Tools } from "@devops-mcp/core/tools/Tools"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Effect, Option, Schema } from "effect"
import type { CallFailure } from "./Failures.ts"
import {
  argumentsOf,
  objectSchema,
  type RawArguments,
  type RegisteredTool,
  type ToolOutcome
} from "./RegisteredTool.ts"
import { makeResultLimit, type ResultTraits } from "./ResultLimit.ts"

/** How `Tools.execute` reports what the tool itself refused or failed at. */
const Refusal = Schema.Struct({
  error: Schema.Struct({ code: Schema.String, detail: Schema.String, retryable: Schema.Boolean })
})
const decodeRefusal = Schema.decodeUnknownEffect(Refusal)

const decodeArguments = Schema.decodeUnknownEffect(Schema.JsonObject)

/** Name of an action among all MCP tools. */
const nameOf = ({ action, tool }: CatalogueEntry) => `${tool.name}_${action.name}`

const registeredOf = (entry: CatalogueEntry): RegisteredTool => {
  const { description, inputSchema, outputSchema = {}, risk, title } = entry.action
  return {
    name: nameOf(entry),
    title,
    description,
    inputSchema: objectSchema(inputSchema),
    outputSchema: objectSchema(outputSchema),
    annotations: {
      readOnlyHint: risk === "read",
      destructiveHint: risk === "destructive",
      idempotentHint: risk === "read",
      openWorldHint: true
    }
  }
}

/** The actions of all configured tools as MCP tools. */
export interface ActionTools {
  /** Those that the caller may use, by name; a name that two of them make is the first one's. */
  readonly list: (principal: Principal) => Effect.Effect<ReadonlyArray<RegisteredTool>, StoreError>
  /** None when no configured tool has an action of this name. */
  readonly call: (
    principal: Principal,
    name: string,
    input: RawArguments
  ) => Effect.Effect<Option.Option<ToolOutcome>, CallFailure>
}

export const makeActionTools = Effect.gen(function* () {
  const tools = yield* Tools
  const outcomeOf = yield* makeResultLimit

  /** Kinds may share an action's name; if any of them changes something, results count as reports of changes. */
  const traits = new Map<string, ResultTraits>()
  for (const { inputSchema, name, risk } of tools.kinds.flatMap((kind) => kind.actions)) {
    const changes = risk !== "read" || (traits.get(name)?.changes ?? false)
    traits.set(name, { changes, arguments: argumentsOf(inputSchema) })
  }

  /** Both parts may contain `_`, so a name has several readings: those with a known action, shortest tool first. */
  const readingsOf = (name: string) =>
    Array.from(name.matchAll(/_/g), ({ index }) => ({
      tool: name.slice(0, index),
      action: name.slice(index + 1)
    })).flatMap(({ action, tool }) =>
      Option.match(Option.fromUndefinedOr(traits.get(action)), {
        onNone: () => [],
        onSome: (known) => [{ action, tool, traits: known }]
      })
    )

  const list = (principal: Principal) =>
    Effect.map(tools.catalogue(principal), (entries) => {
      const byName = new Map<string, RegisteredTool>()
      for (const entry of entries) if (!byName.has(nameOf(entry))) byName.set(nameOf(entry), registeredOf(entry))
      return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    })

  const call = Effect.fnUntraced(function* (principal: Principal, name: string, raw: RawArguments) {
    const readings = readingsOf(name)
    if (readings.length === 0) return Option.none()
    const input = yield* decodeArguments(raw)
    for (const { action, tool, traits } of readings) {
      const executed = yield* tools.execute(principal, tool, action, input).pipe(
        Effect.asSome,
        Effect.catchTag("@devops-mcp/domain/Errors/NotFound", () => Effect.succeedNone)
      )
      if (Option.isNone(executed)) continue
      const { isError, result } = executed.value
      if (!isError) return Option.some(outcomeOf(traits, result))
      const { error } = yield* Effect.orDie(decodeRefusal(result))
      return Option.some<ToolOutcome>({ _tag: "Error", error })
    }
    return Option.none()
  })

  const service: ActionTools = { list, call }
  return service
})
