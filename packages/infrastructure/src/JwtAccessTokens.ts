import {
  AccessTokens,
  AccessTokensUnavailable,
  refusedToken,
  type TokenClaims
} from "@devops-mcp/core/ports/AccessTokens"
import { TenantId } from "@devops-mcp/domain/Ids"
import { Scope } from "@devops-mcp/domain/Principal"
import { jwksCooldown, jwksMaxAge, jwksRetryAfter, jwksTimeout } from "@devops-mcp/resilience/Policies"
import { ByteSize, DateTime, Duration, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { type JwtSettings, jwtSettings } from "./Settings.ts"

/** Signatures of a key pair only: whoever can verify a token must not be able to make one. */
const algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]

/** What an access token may call itself; other types are for other purposes, such as logging out. */
const acceptedTypes: ReadonlySet<string | undefined> = new Set([undefined, "jwt", "at+jwt", "application/at+jwt"])

/** How far the authorization server's clock may be from ours. */
const clockTolerance = "30 seconds"

const longestToken = 8_192

const largestKeySet = ByteSize.kibibytes(256)

/** What tokens can be refused for; any other failure is the key set's, and no fault of the caller. */
const refusals: ReadonlySet<string> = new Set([
  "ERR_JOSE_ALG_NOT_ALLOWED",
  "ERR_JOSE_NOT_SUPPORTED",
  "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
  "ERR_JWKS_NO_MATCHING_KEY",
  "ERR_JWS_INVALID",
  "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  "ERR_JWT_CLAIM_VALIDATION_FAILED",
  "ERR_JWT_EXPIRED",
  "ERR_JWT_INVALID"
])

/** Names that go into audit rows and logs. */
const Identity = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Cs}]{1,255}$/u))

const Claims = Schema.Struct({
  sub: Identity,
  tenant_id: TenantId,
  exp: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e11 })),
  scope: Schema.optionalKey(Schema.String),
  client_id: Schema.optionalKey(Identity),
  azp: Schema.optionalKey(Identity)
})

const decodeClaims = Schema.decodeUnknownEffect(Claims)

const claimsOf = (claims: typeof Claims.Type): TokenClaims => {
  const granted = new Set((claims.scope ?? "").split(" "))
  const client = claims.client_id ?? claims.azp
  return {
    tenantId: claims.tenant_id,
    subject: claims.sub,
    ...(client === undefined ? {} : { client }),
    scopes: Scope.literals.filter((scope) => granted.has(scope)),
    expiresAt: DateTime.makeUnsafe(claims.exp * 1000)
  }
}

const unavailable = (cause: unknown) =>
  cause instanceof AccessTokensUnavailable ? cause : new AccessTokensUnavailable({ retryable: true, cause })

/** Reads a key set, bounded in time and size; redirects are not followed. */
const readKeysWith = (client: HttpClient.HttpClient, url: URL) =>
  client.get(url, { headers: { accept: "application/jwk-set+json, application/json" } }).pipe(
    Effect.flatMap(HttpClientResponse.filterStatus((status) => status === 200)),
    Effect.flatMap(({ stream }) =>
      stream.pipe(
        Stream.mapError(unavailable),
        Stream.limitBytes(largestKeySet, () => Stream.fail(unavailable("The key set is too large"))),
        Stream.decodeText,
        Stream.mkString
      )
    ),
    Effect.timeout(jwksTimeout),
    Effect.mapError(unavailable),
    Effect.tapError((error) => Effect.logWarning(error.message, error)),
    Effect.withSpan("JwtAccessTokens.readKeys")
  )

/** When the key set is read again; tests cannot wait that long. */
export interface KeySetPolicy {
  readonly cooldown: Duration.Duration
  readonly retryAfter: Duration.Duration
}

/**
 * Verifies the access tokens of one authorization server by its published keys, which are kept and read again when a
 * token names a new one. A token must expire, and belong to a subject and a tenant.
 */
export const layerWith = (
  { audience, issuer, jwksUrl }: JwtSettings,
  { cooldown, retryAfter }: KeySetPolicy = { cooldown: jwksCooldown, retryAfter: jwksRetryAfter }
) =>
  Layer.effect(
    AccessTokens,
    Effect.gen(function* () {
      const jose = yield* Effect.promise(() => import("jose"))
      // An answer is good for this long also when it is a failure: a server that is down is not asked by every caller.
      const readKeys = yield* Effect.cachedWithTTL(readKeysWith(yield* HttpClient.HttpClient, jwksUrl), retryAfter)
      const run = Effect.runPromiseWith(yield* Effect.context<never>())
      const keys = jose.createRemoteJWKSet(jwksUrl, {
        cooldownDuration: Duration.toMillis(cooldown),
        cacheMaxAge: Duration.toMillis(jwksMaxAge),
        [jose.customFetch]: () => run(Effect.map(readKeys, (body) => new Response(body)))
      })

      const failureOf = (cause: unknown) =>
        cause instanceof jose.errors.JOSEError && refusals.has(cause.code) ? refusedToken : unavailable(cause)

      const verify = Effect.fn("AccessTokens.verify")(function* (token: Redacted.Redacted) {
        const compact = Redacted.value(token)
        if (compact.length > longestToken) return yield* refusedToken
        const currentDate = DateTime.toDate(yield* DateTime.now)
        const { payload, protectedHeader } = yield* Effect.tryPromise({
          try: () =>
            jose.jwtVerify(compact, keys, {
              algorithms,
              issuer,
              audience,
              clockTolerance,
              currentDate
            }),
          catch: failureOf
        })
        if (!acceptedTypes.has(protectedHeader.typ?.toLowerCase())) return yield* refusedToken
        return yield* decodeClaims(payload).pipe(
          Effect.map(claimsOf),
          Effect.mapError(() => refusedToken)
        )
      })

      return AccessTokens.of({ verify })
    })
  )

const RedirectsRefused = Layer.succeed(FetchHttpClient.RequestInit, { redirect: "error" })

/** As `JWT_ISSUER`, `JWT_AUDIENCE` and `JWT_JWKS_URL` say; without them no access token is accepted. */
export const layer = Layer.unwrap(
  Effect.map(
    jwtSettings,
    Option.match({
      onNone: () => AccessTokens.layerRefusing,
      onSome: (settings) =>
        layerWith(settings).pipe(Layer.provide(FetchHttpClient.layer), Layer.provide(RedirectsRefused))
    })
  )
)
