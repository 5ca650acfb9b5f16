import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { HttpApiBuilder } from "effect/http-api"

/** Who the credential is. */
export const MeHandlers = HttpApiBuilder.group(Api, "me", (handlers) => handlers.handleAll({ me: () => Caller }))
