import * as McpTools from "@devops-mcp/contract/McpTools"
import { scopeOfRisk } from "@devops-mcp/core/Policy"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { Scope } from "@devops-mcp/domain/Principal"
import { assert, layer } from "@effect/vitest"
import { Effect, Predicate, Schema } from "effect"
import { address, type Holder, makeTeam, Platform, send, type Team } from "./permissions/Platform.ts"
import { toolSamples } from "./permissions/Samples.ts"
import { modernClient } from "./replicas/RawMcp.ts"

const isTool = Schema.is(Schema.Struct({ name: Schema.String, scope: Scope }))

/** Every MCP tool that a team has, with the scope that it declares. */
const toolsOf = Effect.fnUntraced(function* ({ ids }: Team) {
  const own = Object.values(McpTools)
    .filter(isTool)
    .map(({ name, scope }) => ({ name, scope, sample: name }))
  const actions = (yield* (yield* Tools).actions(ids.tenantId, ids.tool)).map(({ name, risk }) => ({
    name: `${ids.tool}_${name}`,
    scope: scopeOfRisk[risk],
    sample: `git_${name}`
  }))
  return [...own, ...actions]
})

const ask = Effect.fnUntraced(function* ({ key = "" }: Holder, method: string, params: Record<string, unknown> = {}) {
  return yield* modernClient(key).ask(yield* address, method, params)
})

const namesIn = (items: unknown, member = "name") =>
  (Array.isArray(items) ? items : []).map((item: unknown) =>
    Predicate.hasProperty(item, member) ? String(item[member]) : ""
  )

const argumentsOf = (sample: string, { ids, mark }: Team): Record<string, unknown> => {
  const make = toolSamples[sample]
  assert.isDefined(make, `There are no arguments for ${sample}: add some to permissions/Samples.ts`)
  return make?.(ids, mark) ?? {}
}

/** What an error result says that the tool answered. */
const codeOf = (result: Record<string, unknown> | undefined) =>
  result?.["isError"] === true
    ? /"code":"(\w+)"/.exec(JSON.stringify(result["content"]).replaceAll("\\", ""))?.[1]
    : undefined

layer(Platform, { excludeTestServices: true, timeout: "120 seconds" })("permissions over MCP", (it) => {
  it.effect(
    "are none of who has no valid credential",
    () =>
      Effect.gen(function* () {
        const team = yield* makeTeam("alpha")
        for (const nobody of team.nobodies) {
          for (const { name, sample } of yield* toolsOf(team)) {
            const json = {
              jsonrpc: "2.0",
              id: 1,
              method: "tools/call",
              params: { name, arguments: argumentsOf(sample, team) }
            }
            const { status, text } = yield* send(nobody, { method: "POST", path: "/mcp", json })
            assert.strictEqual(status, 401, `${name} with ${nobody.name}: ${text}`)
            assert.notInclude(text, team.mark)
          }
        }
      }),
    120_000
  )

  it.effect(
    "are those of the role, for every tool: it is listed and runs, or is not listed and refused",
    () =>
      Effect.gen(function* () {
        const team = yield* makeTeam("beta")
        const tools = yield* toolsOf(team)
        assert.isAbove(tools.length, 20)
        for (const holder of team.holders) {
          const mine = tools.filter(({ scope }) => holder.scopes?.includes(scope))
          const { result } = yield* ask(holder, "tools/list")
          assert.sameMembers(
            namesIn(result?.["tools"]),
            mine.map(({ name }) => name),
            holder.name
          )
          for (const { name, sample, scope } of tools) {
            const answer = yield* ask(holder, "tools/call", { name, arguments: argumentsOf(sample, team) })
            const said = `${name} as ${holder.name}: ${JSON.stringify(answer)}`
            if (holder.scopes?.includes(scope) === true) {
              assert.isUndefined(answer.error, said)
              assert.isUndefined(codeOf(answer.result), said)
            } else {
              assert.strictEqual(answer.error?.message, `Requires ${scope}, which your credential does not have`, said)
            }
          }
        }
      }),
    120_000
  )

  it.effect(
    "end at the tenant, for every tool and every resource",
    () =>
      Effect.gen(function* () {
        const owner = yield* makeTeam("gamma")
        const other = yield* makeTeam("delta")
        const uris = [
          `context://${owner.ids.context}`,
          `document://${owner.ids.document}`,
          `event://${owner.ids.event}`
        ]
        for (const holder of other.holders) {
          for (const { name, sample } of yield* toolsOf(owner)) {
            const input = argumentsOf(sample, { ...owner, mark: other.mark })
            const answer = yield* ask(holder, "tools/call", { name, arguments: input })
            const said = JSON.stringify(answer)
            // A caller may be told again what it asked for itself.
            assert.notInclude(said.replaceAll(owner.ids.tool, ""), owner.mark, `${name} as ${holder.name}`)
            assert.notInclude(["internal", "unavailable"], codeOf(answer.result), said)
          }
          for (const uri of uris) {
            const answer = yield* ask(holder, "resources/read", { uri })
            assert.strictEqual(answer.error?.code, -32602, `${uri} as ${holder.name}: ${JSON.stringify(answer)}`)
          }
          const listed = yield* ask(holder, "resources/list")
          const found = namesIn(listed.result?.["resources"], "uri")
          for (const uri of uris) assert.notInclude(found, uri)
        }
        for (const uri of uris) {
          const answer = yield* ask(owner.admin, "resources/read", { uri })
          assert.include(JSON.stringify(answer.result), owner.mark)
        }
      }),
    120_000
  )
})
