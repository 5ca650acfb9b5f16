import * as McpTools from "@devops-mcp/contract/McpTools"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Cache, Effect, Schema, Struct, SynchronizedRef } from "effect"
import { bind } from "./BuiltInTools.ts"
import type { CallFailure } from "./Failures.ts"
import { inputSchemaOf } from "./JsonSchemas.ts"
import { errorOutcome, objectSchema, type RawArguments, type RegisteredTool } from "./RegisteredTool.ts"
import { makeResultLimit } from "./ResultLimit.ts"
import { makeToolIndex, type ToolIndex } from "./ToolSearch.ts"
import type { RunnableTool, ToolSource } from "./ToolSource.ts"

/** The tool that stands for others: the registry runs what it names, with the permissions and the record of that. */
export const callToolName = McpTools.toolsCall.name

const defaultLimit = 10

/** Catalogues whose index is kept, each of one tenant and one set of permissions. */
const keptIndexes = 32

const decodeCall = Schema.decodeUnknownEffect(McpTools.toolsCall.input, { onExcessProperty: "error", errors: "all" })

/** What `tools_call` was asked to run. */
export const unwrap = (
  raw: RawArguments
): Effect.Effect<
  {
    readonly name: string
    readonly arguments: Schema.JsonObject
    readonly confirmationToken: string | undefined
  },
  CallFailure
> =>
  Effect.map(decodeCall(raw), ({ arguments: input = {}, confirmationToken, name }) => ({
    name,
    arguments: input,
    confirmationToken
  }))

const callTool = (annotations: McpTools.ToolAnnotations): RunnableTool => {
  const { description, input, name, scope, title, toolset } = McpTools.toolsCall
  return {
    tool: {
      definition: {
        name,
        title,
        description,
        inputSchema: inputSchemaOf(input),
        outputSchema: objectSchema({ description: "What the tool that was called returns" }),
        annotations: { title, ...annotations }
      },
      toolset,
      scope,
      execution: "inline",
      headers: []
    },
    // The registry runs what is named in its place, so this is reached when that is `tools_call` again.
    run: () =>
      Effect.succeed(errorOutcome("invalid_arguments", `/name: ${callToolName} runs other tools, not itself.`, false))
  }
}

const changesNothing: McpTools.ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: true
}

/** An index with the tools that it is of. */
interface Indexed {
  readonly tools: ReadonlyArray<RegisteredTool>
  readonly index: ToolIndex
}

const isOf = ({ tools }: Indexed, others: ReadonlyArray<RegisteredTool>) =>
  tools.length === others.length && tools.every((tool, position) => tool === others[position])

const mayOnlyRead = ({ scopes }: Principal) => scopes.every((scope) => scope.endsWith(":read"))

const shown = ({ definition, toolset }: RegisteredTool) => ({
  ...Struct.pick(definition, ["name", "title", "description"]),
  annotations: Struct.omit(definition.annotations, ["title"]),
  toolset
})

/**
 * Tools to find tools among thousands. They know what the caller may use through its address; for one who may only read,
 * `tools_call` changes nothing either and says so.
 */
export const makeDiscoveryTools = Effect.fnUntraced(function* (
  visibleTools: (principal: Principal) => Effect.Effect<ReadonlyArray<RegisteredTool>, StoreError>
) {
  const tool = bind(yield* makeResultLimit)
  const empty: Indexed = { tools: [], index: yield* makeToolIndex([]) }
  const indexes = yield* Cache.make({
    capacity: keptIndexes,
    lookup: (_: string) => SynchronizedRef.make(empty)
  })

  /** Made anew when the tools are others, by one caller while the rest wait for it. */
  const indexFor = Effect.fnUntraced(function* ({ scopes, tenantId }: Principal, tools: ReadonlyArray<RegisteredTool>) {
    const kept = yield* Cache.get(indexes, [tenantId, ...scopes].join(" "))
    const { index } = yield* SynchronizedRef.updateAndGetEffect(kept, (indexed) =>
      isOf(indexed, tools)
        ? Effect.succeed(indexed)
        : Effect.map(makeToolIndex(tools), (index): Indexed => ({ tools, index }))
    )
    return index
  })

  const search = tool(
    McpTools.toolsSearch,
    Effect.fnUntraced(function* (principal, { limit = defaultLimit, query, readOnly = false }, { view }) {
      const all = yield* visibleTools(principal)
      const others = all.filter(({ toolset }) => toolset !== McpTools.toolsSearch.toolset)
      const index = yield* indexFor(principal, others)
      const onlyReading = readOnly || view.readOnly
      const hits = index.search(query, limit, ({ definition }) => !onlyReading || definition.annotations.readOnlyHint)
      return { items: hits.map(({ score, tool }) => ({ ...shown(tool), score })) }
    })
  )

  const describe = tool(McpTools.toolsDescribe, (principal, { names }, { view }) =>
    Effect.map(visibleTools(principal), (all) => {
      const wanted = new Set(names)
      const reachable = all.filter(
        ({ definition }) => wanted.has(definition.name) && (!view.readOnly || definition.annotations.readOnlyHint)
      )
      const known = new Map(reachable.map((tool) => [tool.definition.name, tool]))
      const items = [...wanted].flatMap((name) => {
        const found = known.get(name)
        if (found === undefined) return []
        const { inputSchema, outputSchema } = found.definition
        return [{ ...shown(found), inputSchema, ...(outputSchema === undefined ? {} : { outputSchema }) }]
      })
      return { items, unknown: [...wanted].filter((name) => !known.has(name)) }
    })
  )

  const sourceOf = (call: RunnableTool): ReadonlyMap<string, RunnableTool> =>
    new Map([search, describe, call].map((runnable) => [runnable.tool.definition.name, runnable]))
  const forWriters = sourceOf(callTool(McpTools.toolsCall.annotations))
  const forReaders = sourceOf(callTool(changesNothing))

  return {
    tools: (principal) => Effect.succeed(mayOnlyRead(principal) ? forReaders : forWriters)
  } satisfies ToolSource
})
