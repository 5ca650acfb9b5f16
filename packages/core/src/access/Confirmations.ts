import { ActionPreview } from "@devops-mcp/contract/ActionPreview"
import { InvalidInput } from "@devops-mcp/domain/Errors"
import { Timestamp } from "@devops-mcp/domain/Fields"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Context, type DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import { Cache, type CacheError } from "../ports/Cache.ts"
import { makeSeals } from "./Seals.ts"

/** How long a caller has to confirm. */
export const confirmationLifetime = Duration.minutes(10)

/** The action cannot be undone and was not run. The same call with the token runs it, once. */
export class ConfirmationRequired extends Schema.TaggedError<ConfirmationRequired>()(
  "@devops-mcp/core/access/Confirmations/ConfirmationRequired",
  { preview: ActionPreview, confirmationToken: Schema.String, expiresAt: Timestamp }
) {
  override get message() {
    const { action, tool } = this.preview
    return `'${action}' of '${tool}' cannot be undone: repeat the call with the confirmation token to run it`
  }
}

/** What is confirmed: an action with its arguments, on the tool as it is configured at that time. */
export interface ConfirmedCall {
  readonly tool: Pick<Tool, "id" | "version">
  readonly action: string
  readonly arguments: Schema.JsonObject
}

const boundTo = ({ actor, credential, tenantId }: Principal, { action, arguments: input, tool }: ConfirmedCall) => [
  tenantId,
  credential,
  actor,
  tool.id,
  tool.version,
  action,
  input
]

const refused = new InvalidInput({
  pointer: "/confirmationToken",
  detail:
    "The confirmation token is not one for this caller and these arguments, has expired or was used; call without it for a new one"
})

/**
 * Confirmations of what cannot be undone. A token is good once, for ten minutes, for the caller that asked for it and
 * for exactly the same call; where the cache cannot tell whether it was used, it is not good.
 */
export class Confirmations extends Context.Service<
  Confirmations,
  {
    readonly request: (
      principal: Principal,
      call: ConfirmedCall
    ) => Effect.Effect<{ readonly confirmationToken: string; readonly expiresAt: DateTime.Utc }>
    readonly redeem: (
      principal: Principal,
      token: string,
      call: ConfirmedCall
    ) => Effect.Effect<void, InvalidInput | CacheError>
  }
>()("@devops-mcp/core/access/Confirmations") {
  static readonly layer = Layer.effect(
    Confirmations,
    Effect.gen(function* () {
      const cache = yield* Cache
      const seals = yield* makeSeals("confirmation", confirmationLifetime)

      const request = Effect.fn("Confirmations.request")(function* (principal: Principal, call: ConfirmedCall) {
        const { expiresAt, text } = yield* seals.seal(boundTo(principal, call), null)
        return { confirmationToken: text, expiresAt }
      })

      const redeem = Effect.fn("Confirmations.redeem")(function* (
        principal: Principal,
        token: string,
        call: ConfirmedCall
      ) {
        const sealed = yield* seals.open(boundTo(principal, call), token)
        if (Option.isNone(sealed)) return yield* refused
        const first = yield* cache.setIfAbsent(`confirmation:${sealed.value.nonce}`, "used", confirmationLifetime)
        if (!first) return yield* refused
      })

      return Confirmations.of({ request, redeem })
    })
  )
}
