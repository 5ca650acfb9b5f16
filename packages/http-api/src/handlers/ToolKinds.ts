import { Api } from "@devops-mcp/contract/Api"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"

/** The adapters of this deployment. */
export const ToolKindsHandlers = HttpApiBuilder.group(
  Api,
  "toolKinds",
  Effect.fnUntraced(function* (handlers) {
    const tools = yield* Tools
    const items = tools.kinds.map(({ configSchema, credentialsSchema, kind, title }) => ({
      kind,
      title,
      configSchema,
      ...(credentialsSchema === undefined ? {} : { credentialsSchema })
    }))

    return handlers.handleAll({ list: () => Effect.succeed({ items }) })
  })
)
