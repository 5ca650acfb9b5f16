import { Layer } from "effect"
import { McpHttp } from "./http/McpHttp.ts"
import { ProtectedResourceRoutes } from "./http/ProtectedResource.ts"
import { WebSocketRoutes } from "./websocket/WebSocketRoutes.ts"

/** MCP on every transport that goes over HTTP, and what tells clients how to be let in. */
export const McpRoutes = Layer.mergeAll(McpHttp, WebSocketRoutes, ProtectedResourceRoutes)
