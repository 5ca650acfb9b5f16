import { OAuthClient, OAuthFailure, type OAuthRegistration, type TokenSet } from "@devops-mcp/core/ports/OAuthClient"
import { OAuthEndpoints, OAuthScope } from "@devops-mcp/domain/Connection"
import { oauthConcurrency } from "@devops-mcp/resilience/Policies"
import { Effect, Layer, Redacted, Schema, Semaphore } from "effect"
import type * as OAuth from "oauth4webapi"
import { makeTransport } from "./OAuthClientTransport.ts"
import { refusalOf } from "./OutboundAddresses.ts"

type Operation = OAuthFailure["operation"]
type Provider = OAuthRegistration["provider"]

/** No provider's access token lasts longer than this many seconds; what says so is cut. */
const longestLifetime = 10 * 365 * 24 * 60 * 60

/** What goes into a header later. */
const Token = Schema.String.check(Schema.isPattern(/^[\x20-\x7E]{1,16384}$/))

const TokenAnswer = Schema.Struct({
  access_token: Token,
  token_type: Schema.Literal("bearer"),
  refresh_token: Schema.optionalKey(Token),
  expires_in: Schema.optionalKey(Schema.Finite),
  scope: Schema.optionalKey(Schema.String)
})

const Metadata = Schema.Struct({
  issuer: OAuthEndpoints.fields.issuer.schema,
  authorization_endpoint: OAuthEndpoints.fields.authorizationEndpoint,
  token_endpoint: OAuthEndpoints.fields.tokenEndpoint,
  revocation_endpoint: OAuthEndpoints.fields.revocationEndpoint,
  token_endpoint_auth_methods_supported: Schema.optionalKey(Schema.Array(Schema.String)),
  code_challenge_methods_supported: Schema.optionalKey(Schema.Array(Schema.String)),
  authorization_response_iss_parameter_supported: Schema.optionalKey(Schema.Boolean)
})

const decodeAnswer = Schema.decodeUnknownEffect(TokenAnswer)
const decodeMetadata = Schema.decodeUnknownEffect(Metadata)
const isScope = Schema.is(OAuthScope)

/** Error codes are names; what is none is not repeated to anybody. GitHub has names of its own. */
const codeOf = (error: string | null) => {
  if (error === "bad_refresh_token" || error === "bad_verification_code") return "invalid_grant"
  return error !== null && /^[A-Za-z0-9_.-]{1,100}$/.test(error) ? error : "an error without a name"
}

const tokenSetOf = ({ access_token, expires_in, refresh_token, scope }: typeof TokenAnswer.Type): TokenSet => ({
  accessToken: Redacted.make(access_token, { label: "access token" }),
  ...(refresh_token === undefined ? {} : { refreshToken: Redacted.make(refresh_token, { label: "refresh token" }) }),
  ...(expires_in === undefined ? {} : { expiresIn: Math.min(expires_in, longestLifetime) }),
  // GitHub puts commas between them.
  ...(scope === undefined ? {} : { scopes: scope.split(/[ ,]+/).filter(isScope).slice(0, 100) })
})

/** RFC 9207: an answer of a server that says who it is must be compared with what we know of it. */
const incomparable = new OAuthFailure({
  operation: "exchange",
  reason: "invalid",
  detail: "The authorization server says who it is, and the provider has no issuer to compare that with"
})

const endpointsOf = (found: typeof Metadata.Type): OAuthEndpoints | undefined => {
  const methods = found.token_endpoint_auth_methods_supported ?? ["client_secret_basic"]
  const onlyPost = methods.includes("client_secret_post") && !methods.includes("client_secret_basic")
  const challenges = found.code_challenge_methods_supported ?? ["S256"]
  if (!challenges.includes("S256")) return undefined
  return {
    issuer: found.issuer,
    authorizationEndpoint: found.authorization_endpoint,
    tokenEndpoint: found.token_endpoint,
    ...(found.revocation_endpoint === undefined ? {} : { revocationEndpoint: found.revocation_endpoint }),
    // What a client with a secret does; one without needs no choice.
    clientAuthentication: onlyPost ? "client_secret_post" : "client_secret_basic",
    issRequired: found.authorization_response_iss_parameter_supported ?? false
  }
}

/** `oauth4webapi`, over a transport of ours. */
export const layerWith = ({ allowPrivateNetwork }: { readonly allowPrivateNetwork: boolean }) =>
  Layer.effect(
    OAuthClient,
    Effect.gen(function* () {
      const library = yield* Effect.cached(Effect.promise(() => import("oauth4webapi")))
      const send = yield* makeTransport
      const slots = yield* Semaphore.make(oauthConcurrency)

      const invalid = (operation: Operation) =>
        new OAuthFailure({ operation, reason: "invalid", detail: "The authorization server's answer is not valid" })

      const failureOf = (oauth: typeof OAuth, operation: Operation, cause: unknown) => {
        if (cause instanceof OAuthFailure) return cause
        const error =
          cause instanceof oauth.ResponseBodyError || cause instanceof oauth.AuthorizationResponseError
            ? codeOf(cause.error)
            : undefined
        if (error === undefined) return invalid(operation)
        const detail = `The authorization server refused: ${error}`
        return new OAuthFailure({ operation, reason: "refused", code: error, detail })
      }

      /** Runs code of the library, whose requests go through our transport. */
      const using = <A>(
        operation: Operation,
        allowPrivate: boolean,
        call: (
          oauth: typeof OAuth,
          options: OAuth.HttpRequestOptions<"GET" | "POST", URLSearchParams | undefined>
        ) => Promise<A>
      ) =>
        Effect.gen(function* () {
          const oauth = yield* library
          const run = Effect.runPromiseWith(yield* Effect.context<never>())
          return yield* Effect.tryPromise({
            try: () =>
              call(oauth, {
                // Which URLs may do without TLS is ours to say.
                [oauth.allowInsecureRequests]: true,
                [oauth.customFetch]: (url, request) => run(send(operation, allowPrivate, url, request))
              }),
            catch: (cause) => failureOf(oauth, operation, cause)
          })
        }).pipe(slots.withPermit)

      const isLax = (provider: { readonly allowPrivateNetwork: boolean }) =>
        allowPrivateNetwork || provider.allowPrivateNetwork

      const serverOf = (provider: Provider): OAuth.AuthorizationServer => ({
        issuer: provider.issuer ?? provider.tokenEndpoint,
        token_endpoint: provider.tokenEndpoint,
        ...(provider.revocationEndpoint === undefined ? {} : { revocation_endpoint: provider.revocationEndpoint }),
        authorization_response_iss_parameter_supported: provider.issRequired
      })

      const authenticationOf = (oauth: typeof OAuth, { clientSecret, provider }: OAuthRegistration) => {
        if (clientSecret === undefined || provider.clientAuthentication === "none") return oauth.None()
        const secret = Redacted.value(clientSecret)
        return provider.clientAuthentication === "client_secret_basic"
          ? oauth.ClientSecretBasic(secret)
          : oauth.ClientSecretPost(secret)
      }

      const tokens = (operation: Operation, answer: Effect.Effect<OAuth.TokenEndpointResponse, OAuthFailure>) =>
        Effect.flatMap(answer, (found) =>
          decodeAnswer(found).pipe(
            Effect.map(tokenSetOf),
            Effect.mapError(() => invalid(operation))
          )
        )

      const check = Effect.fn("OAuthClient.check")(function* (provider: Provider) {
        for (const url of [provider.authorizationEndpoint, provider.tokenEndpoint, provider.revocationEndpoint]) {
          const refusal = url === undefined ? undefined : refusalOf(url, isLax(provider))
          if (refusal === undefined) continue
          return yield* new OAuthFailure({ operation: "discover", reason: "forbidden", detail: `${url} ${refusal}` })
        }
      })

      const discover = Effect.fn("OAuthClient.discover")(function* (issuer: string, allowPrivate: boolean) {
        const read = (algorithm: "oauth2" | "oidc") =>
          using("discover", isLax({ allowPrivateNetwork: allowPrivate }), async (oauth, options) => {
            const url = new URL(issuer)
            return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...options, algorithm }))
          }).pipe(
            Effect.flatMap((found) => Effect.mapError(decodeMetadata(found), () => invalid("discover"))),
            Effect.flatMap((found) => Effect.fromNullishOr(endpointsOf(found))),
            Effect.catchTag("NoSuchElementError", () => Effect.fail(invalid("discover")))
          )
        return yield* Effect.catchIf(
          read("oauth2"),
          ({ reason }) => reason === "invalid",
          () => read("oidc")
        )
      })

      const exchange: OAuthClient["Service"]["exchange"] = Effect.fn("OAuthClient.exchange")(function* (
        registration,
        { redirectUri, state, verifier },
        answer
      ) {
        const { provider } = registration
        if (answer.iss !== undefined && provider.issuer === undefined) return yield* incomparable
        const server = serverOf(provider)
        const client = { client_id: provider.clientId }
        return yield* tokens(
          "exchange",
          using("exchange", isLax(provider), async (oauth, options) => {
            const returned = oauth.validateAuthResponse(server, client, new URLSearchParams({ ...answer }), state)
            const response = await oauth.authorizationCodeGrantRequest(
              server,
              client,
              authenticationOf(oauth, registration),
              returned,
              redirectUri,
              Redacted.value(verifier),
              options
            )
            return oauth.processAuthorizationCodeResponse(server, client, response)
          })
        )
      })

      const refresh: OAuthClient["Service"]["refresh"] = Effect.fn("OAuthClient.refresh")(
        function* (registration, refreshToken) {
          const { provider } = registration
          const server = serverOf(provider)
          const client = { client_id: provider.clientId }
          return yield* tokens(
            "refresh",
            using("refresh", isLax(provider), async (oauth, options) => {
              const authentication = authenticationOf(oauth, registration)
              const token = Redacted.value(refreshToken)
              const response = await oauth.refreshTokenGrantRequest(server, client, authentication, token, options)
              return oauth.processRefreshTokenResponse(server, client, response)
            })
          )
        }
      )

      const revoke: OAuthClient["Service"]["revoke"] = Effect.fn("OAuthClient.revoke")(function* (registration, token) {
        const { provider } = registration
        if (provider.revocationEndpoint === undefined) return
        yield* using("revoke", isLax(provider), async (oauth, options) => {
          const response = await oauth.revocationRequest(
            serverOf(provider),
            { client_id: provider.clientId },
            authenticationOf(oauth, registration),
            Redacted.value(token),
            options
          )
          return oauth.processRevocationResponse(response)
        })
      })

      return OAuthClient.of({ check, discover, exchange, refresh, revoke })
    })
  )
