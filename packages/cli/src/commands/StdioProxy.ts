// Starts with every session of a client, so it imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.
import { proxyMcpStdio } from "@devops-mcp/mcp-server/McpStdioProxy"
import { liveInstance } from "../LiveInstance.ts"

const log = (line: string) => void process.stderr.write(`devops-mcp: ${line}\n`)

/** The configured instance, else a `start` on the same home folder, which is taken then. */
const addressOf = async (env: NodeJS.ProcessEnv) => {
  const configured = env["DEVOPS_MCP_URL"]
  if (configured === undefined) return liveInstance(env["DEVOPS_MCP_HOME"] ?? "./.devops-mcp")
  const url = URL.parse(configured)
  if (url === null || !["http:", "https:"].includes(url.protocol)) throw new Error("DEVOPS_MCP_URL")
  return configured.replace(/\/+$/, "")
}

/**
 * MCP over standard input and output from a running instance, until the client closes its end. The exit code; undefined
 * when there is no instance, or no key to it, and nothing was done.
 */
export const proxyToInstance = async (signal: AbortSignal): Promise<number | undefined> => {
  const { env } = process
  const apiKey = env["DEVOPS_MCP_API_KEY"]
  if (apiKey === undefined || apiKey === "") return undefined
  let baseUrl: string | undefined
  try {
    baseUrl = await addressOf(env)
  } catch {
    log("DEVOPS_MCP_URL is not valid: expected a URL that begins with http:// or https://")
    return 2
  }
  if (baseUrl === undefined) return undefined
  await proxyMcpStdio({ baseUrl, apiKey }, { stdin: process.stdin, stdout: process.stdout, log }, signal)
  return 0
}
