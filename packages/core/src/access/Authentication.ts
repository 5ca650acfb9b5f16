import { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import { type Principal, Role, type Scope } from "@devops-mcp/domain/Principal"
import { apiKeyCaching, unknownApiKeyCaching } from "@devops-mcp/resilience/Policies"
import { Cache, Context, DateTime, Duration, Effect, Exit, Layer, Option, Redacted } from "effect"
import { Audit } from "../audit/Audit.ts"
import { scopesOf } from "../Policy.ts"
import { AccessTokens, type AccessTokensUnavailable, refusedToken, type TokenClaims } from "../ports/AccessTokens.ts"
import { ApiKeyRepository, type StoredKey } from "../ports/ApiKeyRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { apiKeyPrefix, isApiKeySecret, makeApiKeySecrets } from "./ApiKeySecret.ts"
import { makeKeyUpkeep } from "./KeyUpkeep.ts"
import { Revocations } from "./Revocations.ts"

/**
 * How long a verified token is taken at its word, never beyond its expiry, and a tenant is known to exist. To verify
 * one takes 0.13 (RS256) to 1.5 ms (ES384) of CPU, to recognise one 0.05.
 */
const tokenTimeToLive = Duration.minutes(1)

const capacity = 10_000

const refusedKey = new Unauthenticated({ detail: "The API key is not valid, has expired or was revoked" })

/** What is remembered of a key that was looked up. */
interface KnownKey {
  readonly id: ApiKeyId
  readonly principal: Principal
  /** In milliseconds; it works before this moment. */
  readonly until: number
}

/** What is remembered of a token that was verified. */
interface KnownToken {
  readonly claims: TokenClaims
  readonly principal: Principal
}

const untilOf = ({ key }: StoredKey): number =>
  key.revokedAt === undefined ? (key.expiresAt?.epochMilliseconds ?? Number.POSITIVE_INFINITY) : 0

const principalOfKey = ({ key: { id, name, role, scopes }, tenantId }: StoredKey): Principal => ({
  tenantId,
  credential: "api_key",
  actor: id,
  name,
  role,
  scopes: scopes === undefined ? scopesOf(role) : scopesOf(role).filter((scope) => scopes.includes(scope))
})

/** The secret that a lookup is for: lookups are kept by its digest, so that no secret stays in memory. */
class PresentedSecret extends Context.Service<PresentedSecret, Redacted.Redacted>()(
  "@devops-mcp/core/access/Authentication/PresentedSecret"
) {}

/** The highest role that the scopes make up; a token with less than a viewer's still has its own scopes and no more. */
const roleOf = (scopes: ReadonlyArray<Scope>): Role =>
  Role.literals.findLast((role) => scopesOf(role).every((scope) => scopes.includes(scope))) ?? "viewer"

const principalOfToken = ({ client, scopes, subject, tenantId }: TokenClaims): Principal => ({
  tenantId,
  credential: "jwt",
  actor: subject,
  name: client ?? subject,
  role: roleOf(scopes),
  scopes
})

/** Why a caller could not be told: their credential is no good, or nobody can say whether it is. */
export type AuthenticationError = Unauthenticated | StoreError | AccessTokensUnavailable

/**
 * Turns a credential into the caller that it stands for: an API key by its prefix, anything else is an access token.
 * All reasons to refuse look the same from outside.
 */
export class Authentication extends Context.Service<
  Authentication,
  {
    readonly authenticate: (credential: Redacted.Redacted) => Effect.Effect<Principal, AuthenticationError>
  }
>()("@devops-mcp/core/access/Authentication") {
  static readonly layer = Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const repository = yield* ApiKeyRepository
      const tenants = yield* TenantRepository
      const tokens = yield* AccessTokens
      const secrets = yield* makeApiKeySecrets
      const revocations = yield* Revocations
      const upkeep = yield* makeKeyUpkeep
      const audit = yield* Audit
      // Apart from the known keys, which no flood of unknown ones should drive out.
      const unknown = yield* Cache.make<string, void>({
        capacity,
        timeToLive: unknownApiKeyCaching,
        lookup: () => Effect.void
      })

      const lookUp = Effect.fnUntraced(function* (digest: string) {
        const secret = yield* PresentedSecret
        if (!isApiKeySecret(Redacted.value(secret)) || (yield* Cache.has(unknown, digest))) return Option.none()
        const presented = yield* secrets.present(secret)
        const stored = (yield* repository.find(presented.lookupIds)).find(({ proof }) => presented.proves(proof))
        if (stored === undefined) {
          yield* Cache.set(unknown, digest, undefined)
          return Option.none()
        }
        const known: KnownKey = { id: stored.key.id, principal: principalOfKey(stored), until: untilOf(stored) }
        const at = yield* DateTime.now
        if (at.epochMilliseconds < known.until) upkeep.note({ stored, presented, at })
        return Option.some(known)
      })

      const lookups = yield* Cache.makeWith(lookUp, {
        capacity,
        timeToLive: (exit) => (Exit.isSuccess(exit) && Option.isSome(exit.value) ? apiKeyCaching : Duration.zero),
        requireServicesAt: "lookup"
      })
      const tenantLookups = yield* Cache.makeWith((id: TenantId) => tenants.get(id), {
        capacity,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? tokenTimeToLive : Duration.zero)
      })
      // By the token's hash, so that no token stays in memory. Only ever filled by hand: a hash cannot be verified.
      const verified = yield* Cache.make<string, KnownToken>({
        capacity,
        timeToLive: tokenTimeToLive,
        lookup: () => Effect.never
      })

      const stillGood = (found: Option.Option<KnownKey>) =>
        Effect.clockWith((clock) => {
          if (Option.isNone(found)) return Effect.fail(refusedKey)
          const { id, principal, until } = found.value
          // Nobody is told whose key it was but its tenant's audit log.
          return revocations.includes(id) || clock.currentTimeMillisUnsafe() >= until
            ? Effect.andThen(audit.refused({ reason: "credential", principal }), Effect.fail(refusedKey))
            : Effect.succeed(principal)
        })

      // Of every request, so without a generator.
      const byKey = (secret: Redacted.Redacted) =>
        secrets.digest(secret).pipe(
          Effect.flatMap((digest) => Effect.provideService(Cache.get(lookups, digest), PresentedSecret, secret)),
          Effect.flatMap(stillGood)
        )

      const verify = (token: Redacted.Redacted, hash: string) =>
        Effect.map(tokens.verify(token), (claims): KnownToken => ({
          claims,
          principal: principalOfToken(claims)
        })).pipe(Effect.tap((known) => Cache.set(verified, hash, known)))

      const knownTokenOf = (token: Redacted.Redacted) =>
        Effect.flatMap(secrets.digest(token), (hash) =>
          Effect.flatMap(Cache.getSuccess(verified, hash), (known) =>
            Effect.clockWith((clock) =>
              Option.isSome(known) && clock.currentTimeMillisUnsafe() < known.value.claims.expiresAt.epochMilliseconds
                ? Effect.succeed(known.value)
                : verify(token, hash)
            )
          )
        )

      const byToken = (token: Redacted.Redacted) =>
        Effect.flatMap(knownTokenOf(token), ({ principal }) =>
          Cache.get(tenantLookups, principal.tenantId).pipe(
            Effect.catchTag("@devops-mcp/domain/Errors/NotFound", () => Effect.fail(refusedToken)),
            Effect.as(principal)
          )
        )

      return Authentication.of({
        authenticate: (credential) =>
          Redacted.value(credential).startsWith(apiKeyPrefix) ? byKey(credential) : byToken(credential)
      })
    })
  )
}
