import { makeSeals } from "@devops-mcp/core/access/Seals"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Duration, Effect, Option, type Schema } from "effect"
import { ProtocolFailure } from "./ProtocolFailure.ts"
import type { RawArguments } from "./RegisteredTool.ts"

/** How long a client has to answer the questions of a call. */
export const requestStateLifetime = Duration.minutes(10)

const refused = new ProtocolFailure({
  code: -32602,
  detail: "Invalid or expired requestState",
  data: { reason: "invalid_request_state" }
})

const boundTo = ({ actor, credential, tenantId }: Principal, name: string, input: RawArguments) => [
  tenantId,
  credential,
  actor,
  name,
  input
]

/**
 * What a call must remember until its questions are answered, kept by the client: sealed, so that it comes back as it
 * was, from the same caller, within its time and for the same tool and arguments. Any replica can open it.
 */
export const makeRequestState = Effect.map(makeSeals("request-state", requestStateLifetime), ({ open, seal }) => ({
  seal: (principal: Principal, name: string, input: RawArguments, state: Schema.Json): Effect.Effect<string> =>
    Effect.map(seal(boundTo(principal, name, input), state), ({ text }) => text),

  open: (
    principal: Principal,
    name: string,
    input: RawArguments,
    sealed: string
  ): Effect.Effect<Schema.Json, ProtocolFailure> =>
    Effect.flatMap(
      open(boundTo(principal, name, input), sealed),
      Option.match({ onNone: () => Effect.fail(refused), onSome: ({ payload }) => Effect.succeed(payload) })
    )
}))
