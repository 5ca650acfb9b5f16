import type { ClientNotification, ClientRequest, ServerNotification, ServerRequest } from "@modelcontextprotocol/server"

type Method = (ClientRequest | ServerRequest | ClientNotification | ServerNotification)["method"]

/** Every method that the protocol has, in any revision; of a new one the compiler says that it is missing. */
const methods: Readonly<Record<Method, true>> = {
  "completion/complete": true,
  "elicitation/create": true,
  initialize: true,
  "logging/setLevel": true,
  "notifications/cancelled": true,
  "notifications/elicitation/complete": true,
  "notifications/initialized": true,
  "notifications/message": true,
  "notifications/progress": true,
  "notifications/prompts/list_changed": true,
  "notifications/resources/list_changed": true,
  "notifications/resources/updated": true,
  "notifications/roots/list_changed": true,
  "notifications/subscriptions/acknowledged": true,
  "notifications/tools/list_changed": true,
  ping: true,
  "prompts/get": true,
  "prompts/list": true,
  "resources/list": true,
  "resources/read": true,
  "resources/subscribe": true,
  "resources/templates/list": true,
  "resources/unsubscribe": true,
  "roots/list": true,
  "sampling/createMessage": true,
  "server/discover": true,
  "subscriptions/listen": true,
  "tools/call": true,
  "tools/list": true
}

/** Those of tasks, which the types leave out, and what is no method: answers of clients, and streams of sessions. */
const others = [
  ...["cancel", "get", "list", "result", "update"].map((name) => `tasks/${name}`),
  "notifications/tasks",
  "notifications/tasks/status",
  "response",
  "stream"
]

const known: ReadonlySet<string> = new Set([...Object.keys(methods), ...others])

/** What a message is called in the audit log, which keeps no names that callers made up. */
export const actionOf = (method: string) => `mcp.${known.has(method) ? method : "unknown"}`
