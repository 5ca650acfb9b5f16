import type { TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Effect, Option, Redacted, Schema } from "effect"
import { type ToolAdapter, type ToolCredentials, ToolFailure } from "../ports/ToolAdapter.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"
import { checkedCredentials } from "./CredentialsSchema.ts"
import { toolCredentials } from "./Purposes.ts"
import { Secrets } from "./Secrets.ts"

const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.JsonObject))

const unreadable = new ToolFailure({
  code: "unavailable",
  detail: "The credentials of this tool cannot be read; an administrator has to set them again",
  retryable: false
})

/** The credentials of tools, on their way into the database and out of it. */
export const makeStoredCredentials = Effect.gen(function* () {
  const repository = yield* ToolRepository
  const secrets = yield* Secrets

  const seal = Effect.fnUntraced(function* (
    tenantId: TenantId,
    id: ToolId,
    adapter: ToolAdapter,
    credentials: ToolCredentials
  ) {
    return yield* secrets.seal(tenantId, toolCredentials(id), yield* checkedCredentials(adapter, credentials))
  })

  /** Undefined for a kind that takes none and for a tool that has none. */
  const open = Effect.fnUntraced(function* (tenantId: TenantId, { credentialsSchema }: ToolAdapter, { id }: Tool) {
    if (credentialsSchema === undefined) return
    const sealed = yield* repository.credentials(tenantId, id)
    if (Option.isNone(sealed)) return
    const text = yield* secrets.open(tenantId, toolCredentials(id), sealed.value).pipe(
      Effect.tapError((error) => Effect.logError(`The credentials of the tool ${id}: ${error.message}`)),
      Effect.mapError(() => unreadable)
    )
    return Redacted.make(yield* Effect.orDie(decode(Redacted.value(text))))
  })

  return { seal, open }
})
