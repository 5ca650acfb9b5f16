/**
 * What an MCP server costs that does nothing else: the official SDK v2 with one tool, made as its documentation makes it,
 * a process of its own. `/mcp` is the stateless revision, `/sessions` the one before; nobody is authenticated, nothing is
 * recorded. The only argument is the JSON that the tool returns.
 */
import {
  type NodeIncomingMessageLike,
  NodeStreamableHTTPServerTransport,
  toNodeHandler
} from "@modelcontextprotocol/node"
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server"
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as z from "zod"
import { announce, processMetrics } from "./ProcessMetrics.ts"

const input = z.object({ names: z.array(z.string().min(1).max(128)).min(1).max(20) })

const output = z.object({
  items: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      description: z.string(),
      annotations: z.record(z.string(), z.boolean()),
      toolset: z.string(),
      inputSchema: z.record(z.string(), z.unknown()),
      outputSchema: z.record(z.string(), z.unknown()).optional()
    })
  ),
  unknown: z.array(z.string())
})

const result = output.parse(JSON.parse(process.argv[2] ?? ""))

const makeServer = () => {
  const server = new McpServer({ name: "bare", version: "1.0.0" })
  server.registerTool(
    "tools_describe",
    { description: "Returns the definitions of tools", inputSchema: input, outputSchema: output },
    () => ({ content: [{ type: "text", text: JSON.stringify(result) }], structuredContent: result })
  )
  return server
}

const modern = toNodeHandler(createMcpHandler(makeServer))

const sessions = new Map<string, NodeStreamableHTTPServerTransport>()

const open = async () => {
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id)
  })
  await makeServer().connect(transport)
  return transport
}

const withSession = async (request: IncomingMessage, response: ServerResponse) => {
  const transport = sessions.get(String(request.headers["mcp-session-id"])) ?? (await open())
  await transport.handleRequest(request, response)
}

announce(
  createServer((request, response) => {
    // Node allows an absent method, the SDK does not: a request that a server has received has one.
    if (request.url === "/mcp") void modern(request as NodeIncomingMessageLike, response)
    else if (request.url === "/sessions") void withSession(request, response)
    else response.end(processMetrics())
  })
)
