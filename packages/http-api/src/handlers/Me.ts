import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { ApiKeyId } from "@devops-mcp/domain/Ids"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"

/** Who the credential is. */
export const MeHandlers = HttpApiBuilder.group(Api, "me", (handlers) =>
  handlers.handleAll({
    me: () =>
      Effect.map(Caller, (caller) =>
        caller.credential === "api_key" ? { ...caller, apiKeyId: ApiKeyId.make(caller.actor) } : caller
      )
  })
)
