import type { Team } from "./Platform.ts"

/** What a valid request to a route has beside its credential. */
export interface Sample {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: string
  readonly json?: unknown
  /** Whether the address names nothing of a tenant: everybody finds something of their own there. */
  readonly isShared?: boolean
}

/** A queue has the work of all tenants, and the dead letters of each for that one. */
const queue = { name: "deliveries" }

type Ids = Team["ids"]

const nothing = () => ({})
const page = () => ({ query: "?limit=200" })

/** A valid request for each operation of the OpenAPI document, about what the given team has. */
export const routeSamples: Readonly<Record<string, (ids: Ids, mark: string) => Sample>> = {
  "me.me": nothing,
  "contexts.create": (_, mark) => ({ json: { name: mark } }),
  "contexts.list": page,
  "contexts.get": ({ context }) => ({ params: { id: context } }),
  "contexts.update": ({ context }, mark) => ({ params: { id: context }, json: { name: mark } }),
  "contexts.delete": ({ context }) => ({ params: { id: context } }),
  "contexts.append": ({ context }, mark) => ({
    params: { id: context },
    json: { items: [{ role: "user", content: mark }] }
  }),
  "contexts.items": ({ context }) => ({ params: { id: context } }),
  "contexts.window": ({ context }) => ({ params: { id: context } }),
  "contexts.compact": ({ context }) => ({ params: { id: context }, json: { maxTokens: 1000 } }),
  "contexts.search": ({ context }) => ({ params: { id: context }, json: { query: "anything" } }),
  "events.list": page,
  // A stream has no end; whoever may read it is told that this is no cursor.
  "events.stream": () => ({ query: "?lastEventId=none" }),
  "events.get": ({ event }) => ({ params: { id: event } }),
  "documents.add": (_, mark) => ({ json: { title: mark, text: mark } }),
  "documents.list": page,
  "documents.get": ({ document }) => ({ params: { id: document } }),
  "documents.delete": ({ document }) => ({ params: { id: document } }),
  "search.search": () => ({ json: { query: "anything", limit: 50 } }),
  "toolKinds.list": nothing,
  "tools.create": (_, mark) => ({ json: { name: `other-${mark}`, kind: "git" } }),
  "tools.list": page,
  "tools.get": ({ tool }) => ({ params: { name: tool } }),
  "tools.update": ({ tool }) => ({ params: { name: tool }, json: { config: {} } }),
  "tools.delete": ({ tool }) => ({ params: { name: tool } }),
  "tools.actions": ({ tool }) => ({ params: { name: tool } }),
  "tools.health": ({ tool }) => ({ params: { name: tool } }),
  "tools.execute": ({ tool }) => ({ params: { name: tool, action: "log" }, json: { arguments: { limit: 1 } } }),
  "tasks.list": page,
  "tasks.get": ({ task }) => ({ params: { id: task } }),
  "tasks.cancel": ({ task }) => ({ params: { id: task } }),
  "oauthProviders.create": (_, mark) => ({
    json: {
      name: `other-${mark}`,
      authorizationEndpoint: "https://sso.example/authorize",
      tokenEndpoint: "https://sso.example/token",
      clientId: mark
    }
  }),
  "oauthProviders.list": page,
  "oauthProviders.get": ({ provider }) => ({ params: { name: provider } }),
  "oauthProviders.delete": ({ provider }) => ({ params: { name: provider } }),
  "connections.create": ({ provider }) => ({ json: { provider } }),
  "connections.list": page,
  "connections.delete": ({ connection }) => ({ params: { id: connection } }),
  "webhooks.create": (_, mark) => ({ json: { source: "github", name: mark } }),
  "webhooks.list": page,
  "webhooks.get": ({ webhook }) => ({ params: { id: webhook } }),
  "webhooks.rotateSecret": ({ webhook }) => ({ params: { id: webhook }, json: {} }),
  "webhooks.delete": ({ webhook }) => ({ params: { id: webhook } }),
  "queues.list": nothing,
  "queues.deadLetters": () => ({ params: queue, isShared: true, query: "?limit=200" }),
  "queues.deadLetter": ({ letter }) => ({ params: { ...queue, id: letter } }),
  "queues.redrive": ({ letter }) => ({ params: queue, isShared: true, json: { ids: [letter] } }),
  "queues.discard": ({ letter }, mark) => ({ params: queue, isShared: true, json: { ids: [letter], reason: mark } }),
  "apiKeys.create": (_, mark) => ({ json: { name: mark, role: "viewer" } }),
  "apiKeys.list": page,
  "apiKeys.get": ({ spareKey }) => ({ params: { id: spareKey } }),
  "apiKeys.revoke": ({ spareKey }) => ({ params: { id: spareKey } }),
  "tenants.create": (_, mark) => ({ json: { name: mark } }),
  "tenants.list": page,
  "tenants.get": ({ tenantId }) => ({ params: { id: tenantId } }),
  "audit.list": page,
  "audit.verify": nothing,
  "audit.export": nothing,
  "deliveries.receive": ({ webhook }, mark) => ({ params: { id: webhook }, json: { mark } })
}

/** Valid arguments of each MCP tool, about what the given team has; `git` stands for the configured tool. */
export const toolSamples: Readonly<Record<string, (ids: Ids, mark: string) => Record<string, unknown>>> = {
  context_create: (_, mark) => ({ name: mark }),
  context_append: ({ context }, mark) => ({ contextId: context, items: [{ role: "user", content: mark }] }),
  context_get: ({ context }) => ({ contextId: context }),
  context_search: ({ context }) => ({ contextId: context, query: "anything" }),
  context_compact: ({ context }) => ({ contextId: context, maxTokens: 1000 }),
  context_list: nothing,
  knowledge_search: () => ({ query: "anything" }),
  document_add: (_, mark) => ({ title: mark, text: mark }),
  events_list: nothing,
  event_get: ({ event }) => ({ eventId: event }),
  queues_list: nothing,
  dead_letters_list: () => ({ queue: queue.name }),
  dead_letter_get: ({ letter }) => ({ queue: queue.name, deadLetterId: letter }),
  dead_letters_redrive: ({ letter }) => ({ queue: queue.name, ids: [letter] }),
  dead_letters_discard: ({ letter }, mark) => ({ queue: queue.name, ids: [letter], reason: mark }),
  tools_search: () => ({ query: "what changed" }),
  tools_describe: ({ tool }) => ({ names: [`${tool}_tags`] }),
  tools_call: ({ tool }) => ({ name: `${tool}_tags`, arguments: {} }),
  git_repositories: nothing,
  git_log: () => ({ limit: 1 }),
  git_show: () => ({ ref: "HEAD" }),
  git_diff: () => ({ from: "HEAD", to: "HEAD" }),
  git_blame: () => ({ path: "LICENSE", endLine: 3 }),
  git_grep: () => ({ pattern: "MIT License" }),
  git_branches: nothing,
  git_tags: nothing,
  git_file: () => ({ path: "LICENSE" }),
  git_statistics: () => ({ limit: 1 })
}
