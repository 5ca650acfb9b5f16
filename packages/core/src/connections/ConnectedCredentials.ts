import type { Principal } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Effect, Redacted } from "effect"
import { type ToolCredentials, ToolFailure } from "../ports/ToolAdapter.ts"
import { Connections } from "./Connections.ts"

/** The member of a tool's config that names the provider whose connections it is used with. */
const configKey = "oauthProvider"

const failure = (code: ToolFailure["code"], detail: string, retryable: boolean) =>
  Effect.fail(new ToolFailure({ code, detail, retryable }))

const unreadable = "The stored tokens cannot be read; disconnect the account and connect it again"

/**
 * The credentials of a tool with, where its config names an `oauthProvider`, the access token of the caller's account
 * there as their `accessToken`. Without a connection the failure says how to make one.
 */
export const makeConnectedCredentials = Effect.map(
  Connections,
  (connections) =>
    (caller: Principal, { config }: Tool, stored: ToolCredentials | undefined) => {
      const provider = config[configKey]
      if (typeof provider !== "string") return Effect.succeed(stored)
      return connections.accessToken(caller, provider).pipe(
        Effect.map((token): ToolCredentials =>
          Redacted.make({ ...(stored === undefined ? {} : Redacted.value(stored)), accessToken: Redacted.value(token) })
        ),
        Effect.catchTags({
          "@devops-mcp/core/connections/AccessTokens/NotConnected": (error) => failure("failed", error.message, false),
          "@devops-mcp/domain/Errors/NotFound": (error) => failure("not_found", error.message, false),
          "@devops-mcp/core/ports/OAuthClient/OAuthFailure": (error) =>
            failure("unavailable", error.message, error.reason === "unreachable"),
          "@devops-mcp/core/secrets/Secrets/SecretUnreadable": () => failure("unavailable", unreadable, false)
        })
      )
    }
)
