import { selectWindow } from "@devops-mcp/core/contexts/Window"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { AgentContext, type ContextItem, ContextWindow } from "@devops-mcp/domain/AgentContext"
import { ContextId, type TenantId } from "@devops-mcp/domain/Ids"
import { Effect, Option, Schema } from "effect"
import { encodeJson } from "../../edge/Json.ts"
import { outputSchemaOf } from "../JsonSchemas.ts"
import { makeFit, resultTokenLimit } from "../ResultLimit.ts"
import type { ResourceSource } from "../Resources.ts"
import { completionPage, matchingIds, orNone, urisOf } from "./Uris.ts"

/** A context with what of it fits; `window.omitted` counts the rest. */
const Shown = Schema.Struct({ context: AgentContext, window: ContextWindow })
const encodeShown = Schema.encodeEffect(Shown)
const shownSchema = outputSchemaOf(Shown)

/** A window's tokens are those of its messages; what comes around them is tried for, not known. */
const windowRounds = 8
const smallerWindow = 0.7

/** Contexts, newest first; one reads as its window, no larger than a result may be. */
export const makeContextResources = Effect.gen(function* () {
  const contexts = yield* ContextRepository
  const fit = yield* makeFit
  const uris = urisOf("context", ContextId)
  const mimeType = "application/json"

  const shown = Effect.fnUntraced(function* (context: AgentContext, items: ReadonlyArray<ContextItem>) {
    let budget = Math.min(context.maxTokens, resultTokenLimit)
    for (let round = 1; ; round += 1) {
      const window = selectWindow(items, budget, "oldest_first")
      const fitted = fit(yield* Effect.orDie(encodeShown({ context, window })), shownSchema)
      if (Option.isSome(fitted) && (!fitted.value.isCut || round === windowRounds)) return fitted.value.value
      if (round === windowRounds) return yield* Effect.die(new Error("A context without its optional parts fits"))
      budget = Math.floor(Math.min(budget, window.tokenCount) * smallerWindow)
    }
  })

  const read = Effect.fnUntraced(function* (tenantId: TenantId, id: ContextId) {
    const context = yield* contexts.get(tenantId, id)
    const text = encodeJson(yield* shown(context, yield* contexts.allItems(tenantId, id)))
    return [{ uri: uris.of(id), mimeType, text }]
  })

  const source: ResourceSource = {
    name: "contexts",
    scope: "contexts:read",
    template: {
      uriTemplate: uris.template,
      name: "context",
      title: "Context",
      description: "What an agent works in: its newest messages, as many as fit, and how many were left out.",
      mimeType
    },
    list: ({ tenantId }, page) =>
      Effect.map(contexts.list(tenantId, page), ({ items, nextCursor }) => ({
        items: items.map(({ description, id, itemCount, name, tokenCount }) => ({
          uri: uris.of(id),
          name,
          description: `${description ?? "Context"} (${itemCount} messages, ${tokenCount} tokens)`,
          mimeType
        })),
        nextCursor
      })),
    read: ({ tenantId }, uri) => Option.map(uris.parse(uri), (id) => orNone(read(tenantId, id))),
    complete: ({ tenantId }, _, typed) =>
      contexts.list(tenantId, completionPage).pipe(
        Effect.map((page) => matchingIds(page, ({ name }) => name, typed)),
        Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die)
      )
  }
  return source
})
