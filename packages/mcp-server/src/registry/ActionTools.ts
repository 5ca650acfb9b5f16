import { Changes } from "@devops-mcp/core/changes/Changes"
import type { ConfirmationRequired } from "@devops-mcp/core/access/Confirmations"
import { scopeOfRisk } from "@devops-mcp/core/Policy"
import type { AdapterAction } from "@devops-mcp/core/ports/ToolAdapter"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { toolActionKind } from "@devops-mcp/core/tasks/ToolActionRunner"
import { type CatalogueEntry, Tools } from "@devops-mcp/core/tools/Tools"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { Cache, DateTime, Duration, Effect, Exit, Option, Schema } from "effect"
import { canElicit, confirmationRequest, isConfirmed } from "./Elicitation.ts"
import { paramHeadersOf } from "./ParamHeaders.ts"
import { argumentsOf, errorOutcome, objectSchema, type RegisteredTool, type ToolOutcome } from "./RegisteredTool.ts"
import { makeResultLimit, type ResultTraits } from "./ResultLimit.ts"
import { declaresTasks } from "./TaskRegistry.ts"
import type { RunningCall } from "./ToolCall.ts"
import type { RunnableTool, ToolSource } from "./ToolSource.ts"

/** How soon a change is seen that another process made without telling this one. */
export const catalogueTimeToLive = Duration.seconds(5)

/** Tenants whose catalogues are kept; the one unused for longest makes room. */
const keptCatalogues = 200

/** Longer arguments are not repeated to the agent that has just sent them. */
const longestPreview = 4_000

/** The question that a destructive action asks, by its key. */
const confirmKey = "confirm"

/** What is remembered with the question. */
const ConfirmState = Schema.Struct({ confirmationToken: Schema.String })
const decodeConfirmState = Schema.decodeUnknownOption(ConfirmState)

/** How `Tools.execute` reports what the tool itself refused or failed at. */
const Refusal = Schema.Struct({
  error: Schema.Struct({ code: Schema.String, detail: Schema.String, retryable: Schema.Boolean })
})
const decodeRefusal = Schema.decodeUnknownEffect(Refusal)

const decodeArguments = Schema.decodeUnknownEffect(Schema.JsonObject)
const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.JsonObject))

/** What the tool itself refused or failed at; no result, so no limit applies to it. */
class Refused extends Schema.TaggedError<Refused>()("@devops-mcp/mcp-server/registry/ActionTools/Refused", {
  code: Schema.String,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {}

/** What an action is, whichever tool has it. */
type ActionParts = Pick<RegisteredTool, "scope" | "execution" | "headers"> &
  Pick<RegisteredTool["definition"], "title" | "description" | "inputSchema" | "outputSchema" | "annotations"> & {
    readonly traits: ResultTraits
  }

const partsOf = (action: AdapterAction): ActionParts => {
  const { description, outputSchema = {}, risk, title } = action
  const inputSchema = objectSchema(action.inputSchema)
  const output = objectSchema(outputSchema)
  return {
    title,
    description,
    inputSchema,
    outputSchema: output,
    annotations: {
      title,
      readOnlyHint: risk === "read",
      destructiveHint: risk === "destructive",
      idempotentHint: risk === "read",
      openWorldHint: true
    },
    scope: scopeOfRisk[risk],
    // What cannot be undone is confirmed in the call that runs it.
    execution: action.longRunning === true && risk !== "destructive" ? "task" : "inline",
    headers: paramHeadersOf(inputSchema),
    traits: { changes: risk !== "read", arguments: argumentsOf(inputSchema), output }
  }
}

/** Where a call goes. */
interface Target {
  readonly tool: string
  readonly action: string
  readonly traits: ResultTraits
}

/** An action as an MCP tool, with what it was made of. */
interface ActionTool extends RunnableTool {
  readonly action: AdapterAction
}

type Catalogue = ReadonlyMap<string, ActionTool>

/** Name of an action among all MCP tools. */
const nameOf = ({ action, tool }: CatalogueEntry) => `${tool.name}_${action.name}`

/** The same things in the same order. */
const isSame = (a: Catalogue, b: Catalogue) =>
  a.size === b.size && [...a.values()].every((tool) => tool === b.get(tool.tool.definition.name))

/** Without an answer of the user yet: what they are asked, or what the agent must bring to `tools_call`. */
const askFor = (call: RunningCall, required: ConfirmationRequired): ToolOutcome => {
  const { confirmationToken, expiresAt, preview } = required
  if (canElicit(call.client.capabilities)) {
    return {
      _tag: "InputRequired",
      requests: { [confirmKey]: confirmationRequest(preview) },
      state: { confirmationToken }
    }
  }
  const { arguments: input, ...rest } = preview
  const shown = encodeJson(input).length > longestPreview ? rest : preview
  return {
    _tag: "Error",
    error: {
      code: "confirmation_required",
      detail: `'${preview.action}' of '${preview.tool}' cannot be undone and was not run. If it is what your user wants, call \`tools_call\` with this name, the same arguments and the confirmationToken.`,
      retryable: false,
      data: { preview: shown, confirmationToken, expiresAt: DateTime.formatIso(expiresAt) }
    }
  }
}

/** The user's answer to an earlier question, if there is one: a token to go on with, or their refusal. */
const answerIn = ({ client, state }: RunningCall): Option.Option<string | undefined> =>
  Object.hasOwn(client.responses, confirmKey)
    ? Option.map(decodeConfirmState(state), ({ confirmationToken }) =>
        isConfirmed(client.responses[confirmKey]) ? confirmationToken : undefined
      )
    : Option.none()

/**
 * The actions of a tenant's tools as MCP tools, in the order of their names; a name that two of them make is that of
 * the tool with the shorter name. What is costly about an action is made once, and a catalogue once for every change of
 * the tenant's tools. Configuration is no part of it: a call reads what is current.
 */
export const makeActionTools = Effect.gen(function* () {
  const tools = yield* Tools
  const tasks = yield* Tasks
  const within = yield* makeResultLimit
  const context = yield* Effect.context<never>()

  const execute = (call: RunningCall, { action, tool, traits }: Target, token?: string) =>
    within(call.principal, traits, call.arguments, (raw) =>
      Effect.gen(function* () {
        const input = yield* decodeArguments(raw)
        const { isError, result } = yield* tools.execute(call.principal, tool, action, input, token)
        if (!isError) return result
        return yield* new Refused((yield* Effect.orDie(decodeRefusal(result))).error)
      })
    ).pipe(
      Effect.catchTags({
        "@devops-mcp/mcp-server/registry/ActionTools/Refused": ({ code, detail, retryable }) =>
          Effect.succeed(errorOutcome(code, detail, retryable)),
        "@devops-mcp/core/access/Confirmations/ConfirmationRequired": (required) =>
          Effect.succeed(askFor(call, required)),
        "@devops-mcp/core/ports/Cache/CacheError": (error) =>
          Effect.as(
            Effect.logWarning("A confirmation could not be checked", error),
            errorOutcome("unavailable", "The confirmation could not be checked. Try again in a few seconds.", true)
          )
      })
    )

  const start = Effect.fnUntraced(function* ({ arguments: raw, principal }: RunningCall, { action, tool }: Target) {
    const input = { tool, action, arguments: yield* decodeArguments(raw) }
    const outcome: ToolOutcome = { _tag: "Task", task: yield* tasks.start(principal, { kind: toolActionKind, input }) }
    return outcome
  })

  const parts = new WeakMap<AdapterAction, ActionParts>()

  const partsFor = (action: AdapterAction): ActionParts => {
    const known = parts.get(action)
    if (known !== undefined) return known
    const made = partsOf(action)
    parts.set(action, made)
    return made
  }

  const toolOf = (entry: CatalogueEntry): ActionTool => {
    const { execution, headers, scope, traits, ...definition } = partsFor(entry.action)
    const target: Target = { tool: entry.tool.name, action: entry.action.name, traits }
    return {
      action: entry.action,
      tool: { definition: { name: nameOf(entry), ...definition }, toolset: target.tool, scope, execution, headers },
      run: (call) => {
        if (execution === "task" && declaresTasks(call.client.capabilities)) return start(call, target)
        if (call.confirmationToken !== undefined) return execute(call, target, call.confirmationToken)
        return Option.match(answerIn(call), {
          onNone: () => execute(call, target),
          onSome: (token) =>
            token === undefined
              ? Effect.succeed(errorOutcome("declined", "The user declined, so the action was not run.", false))
              : execute(call, target, token)
        })
      }
    }
  }

  /** What was there before is kept as it is, up to the whole catalogue: others remember what they made of it. */
  const compile = (entries: ReadonlyArray<CatalogueEntry>, before: Catalogue): Catalogue => {
    const byName = new Map<string, ActionTool>()
    for (const entry of entries) {
      const name = nameOf(entry)
      if (byName.has(name)) continue
      const kept = before.get(name)
      const isKept = kept !== undefined && kept.action === entry.action && kept.tool.toolset === entry.tool.name
      byName.set(name, isKept ? kept : toolOf(entry))
    }
    const catalogue = new Map([...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    return isSame(catalogue, before) ? before : catalogue
  }

  const latest = yield* Cache.make({
    capacity: keptCatalogues,
    lookup: (_: TenantId) => Effect.succeed<Catalogue>(new Map())
  })

  const current = yield* Cache.makeWith(
    Effect.fnUntraced(function* (tenantId: TenantId) {
      const entries = yield* tools.catalogue(tenantId)
      const catalogue = compile(entries, yield* Cache.get(latest, tenantId))
      yield* Cache.set(latest, tenantId, catalogue)
      return catalogue
    }),
    {
      capacity: keptCatalogues,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? catalogueTimeToLive : Duration.zero)
    }
  )

  yield* (yield* Changes).listen((change) => {
    if (change._tag === "ToolsChanged") Effect.runSyncWith(context)(Cache.invalidate(current, change.tenantId))
  })

  return { tools: ({ tenantId }) => Cache.get(current, tenantId) } satisfies ToolSource
})
