import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Cache, Context, DateTime, Duration, Effect, Exit, Layer, Option, type Redacted } from "effect"
import { scopesOf } from "../Policy.ts"
import { ApiKeyRepository } from "../ports/ApiKeyRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { makeApiKeySecrets } from "./ApiKeySecret.ts"

/** How long a looked-up key may be used without asking the database again; so a revocation is effective this soon. */
const lookupTimeToLive = Duration.seconds(1)

const refused = new Unauthenticated({ detail: "The API key is not valid, has expired or was revoked" })

const isUsable = (key: ApiKey, now: DateTime.Utc) =>
  key.revokedAt === undefined && (key.expiresAt === undefined || DateTime.isLessThan(now, key.expiresAt))

/** Turns a credential into the caller that it stands for. All reasons to refuse look the same from outside. */
export class Authentication extends Context.Service<
  Authentication,
  {
    readonly authenticate: (credential: Redacted.Redacted) => Effect.Effect<Principal, Unauthenticated | StoreError>
  }
>()("@devops-mcp/core/access/Authentication") {
  static readonly layer = Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const repository = yield* ApiKeyRepository
      const secrets = yield* makeApiKeySecrets
      const lookups = yield* Cache.makeWith(repository.findByHash, {
        capacity: 10_000,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? lookupTimeToLive : Duration.zero)
      })

      const authenticate = Effect.fn("Authentication.authenticate")(function* (credential: Redacted.Redacted) {
        const hash = yield* secrets.hash(credential)
        const found = yield* Cache.get(lookups, hash)
        if (Option.isNone(found) || !isUsable(found.value.key, yield* DateTime.now)) return yield* refused
        const { key, tenantId } = found.value
        return { tenantId, apiKeyId: key.id, name: key.name, role: key.role, scopes: scopesOf(key.role) }
      })

      return Authentication.of({ authenticate })
    })
  )
}
