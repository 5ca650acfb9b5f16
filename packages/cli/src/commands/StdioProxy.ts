import { proxyMcpStdio } from "@devops-mcp/mcp-server/McpStdioProxy"
import { stdioApiKey } from "@devops-mcp/mcp-server/StdioApiKey"
import { Config, Effect, Option } from "effect"
import { runningInstance } from "../Instance.ts"

/**
 * Beside a running `start` the home folder is taken, so its instance is asked. Without one this process opens the home,
 * and only then loads what that takes: clients start this command with every session.
 */
export const run = Effect.gen(function* () {
  const apiKey = yield* stdioApiKey
  const configured = yield* Config.option(Config.String("DEVOPS_MCP_URL"))
  const url = Option.isSome(configured) ? configured : yield* runningInstance
  if (Option.isSome(url)) return yield* proxyMcpStdio({ baseUrl: url.value.replace(/\/$/, ""), apiKey })
  const alone = yield* Effect.promise(() => import("./Stdio.ts"))
  yield* alone.run
})
