import type { Connection } from "@devops-mcp/domain/Connection"
import type { Principal } from "@devops-mcp/domain/Principal"
import { DateTime, Effect } from "effect"
import type { SealedTokens } from "../ports/ConnectionRepository.ts"
import type { TokenSet } from "../ports/OAuthClient.ts"
import { connectionToken } from "../secrets/Purposes.ts"
import { Secrets } from "../secrets/Secrets.ts"

/** Whose tokens they are: the caller's, or the tenant's when the connection is shared. */
type Owned = Pick<Connection, "provider" | "shared">

const purposeOf = (kind: "access" | "refresh", { actor, credential }: Principal, { provider, shared }: Owned) =>
  connectionToken(kind, provider, shared ? "" : `${credential}:${actor}`)

/** Tokens on their way into the store and out of it. */
export const makeTokens = Effect.map(Secrets, (secrets) => ({
  /** `before`: the tokens that these replace; a provider that sends no new refresh token means the old one stays. */
  seal: Effect.fnUntraced(function* (
    caller: Principal,
    owned: Owned,
    set: TokenSet,
    before: Pick<SealedTokens, "refreshToken" | "scopes">
  ): Effect.fn.Return<SealedTokens> {
    const seal = (kind: "access" | "refresh", token: TokenSet["accessToken"]) =>
      secrets.seal(caller.tenantId, purposeOf(kind, caller, owned), token)
    const refreshToken = set.refreshToken === undefined ? before.refreshToken : yield* seal("refresh", set.refreshToken)
    return {
      accessToken: yield* seal("access", set.accessToken),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(set.expiresIn === undefined
        ? {}
        : { expiresAt: DateTime.add(yield* DateTime.now, { seconds: set.expiresIn }) }),
      scopes: set.scopes ?? before.scopes
    }
  }),
  open: (kind: "access" | "refresh", caller: Principal, owned: Owned, sealed: string) =>
    secrets.open(caller.tenantId, purposeOf(kind, caller, owned), sealed)
}))
