import type { CreateOAuthProvider } from "@devops-mcp/contract/ConnectionsApi"
import type { OAuthEndpoints, OAuthProvider } from "@devops-mcp/domain/Connection"
import { type Conflict, InvalidInput, type NotFound } from "@devops-mcp/domain/Errors"
import { OAuthProviderId, type TenantId } from "@devops-mcp/domain/Ids"
import { Context, DateTime, Effect, Layer } from "effect"
import { makeNewId } from "../NewId.ts"
import { ConnectionRepository } from "../ports/ConnectionRepository.ts"
import { OAuthClient, type OAuthFailure, type OAuthRegistration } from "../ports/OAuthClient.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { providerSecret } from "../secrets/Purposes.ts"
import { Secrets, type SecretUnreadable } from "../secrets/Secrets.ts"
import { presets } from "./Presets.ts"

type Input = typeof CreateOAuthProvider.Type

const isPreset = (name: string): name is keyof typeof presets => Object.hasOwn(presets, name)

const invalid = (pointer: string, detail: string) => Effect.fail(new InvalidInput({ pointer, detail }))

/** Third-party authorization servers that administrators registered us at. The client secret goes in and never out. */
export class OAuthProviders extends Context.Service<
  OAuthProviders,
  {
    readonly create: (
      tenantId: TenantId,
      input: Input
    ) => Effect.Effect<OAuthProvider, Conflict | InvalidInput | StoreError>
    /** What it takes to talk to a provider. */
    readonly registration: (
      tenantId: TenantId,
      name: string
    ) => Effect.Effect<
      OAuthRegistration & { readonly provider: OAuthProvider },
      NotFound | SecretUnreadable | StoreError
    >
  }
>()("@devops-mcp/core/connections/OAuthProviders") {
  static readonly layer = Layer.effect(
    OAuthProviders,
    Effect.gen(function* () {
      const repository = yield* ConnectionRepository
      const client = yield* OAuthClient
      const secrets = yield* Secrets
      const newId = yield* makeNewId

      const given = ({ authorizationEndpoint, issuer, revocationEndpoint, tokenEndpoint }: Input) =>
        authorizationEndpoint === undefined || tokenEndpoint === undefined
          ? undefined
          : {
              ...(issuer === undefined ? {} : { issuer }),
              authorizationEndpoint,
              tokenEndpoint,
              ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
              clientAuthentication: "client_secret_basic" as const,
              issRequired: false
            }

      const endpointsOf = (input: Input): Effect.Effect<OAuthEndpoints, InvalidInput> => {
        const { authorizationEndpoint, issuer, name, revocationEndpoint, tokenEndpoint } = input
        const endpoints = [authorizationEndpoint, tokenEndpoint, revocationEndpoint]
        const bare = issuer === undefined && endpoints.every((endpoint) => endpoint === undefined)
        const preset = input.preset ?? (bare && isPreset(name) ? name : undefined)
        if (preset !== undefined) {
          return bare
            ? Effect.succeed(presets[preset])
            : invalid("/preset", "A preset has its own issuer and endpoints: leave them out")
        }
        const explicit = given(input)
        if (explicit !== undefined) return Effect.succeed(explicit)
        if (issuer === undefined || endpoints.some((endpoint) => endpoint !== undefined)) {
          return invalid("", "Give a preset, an issuer, or both authorizationEndpoint and tokenEndpoint")
        }
        return client
          .discover(issuer, input.allowPrivateNetwork ?? false)
          .pipe(Effect.catch((failure) => invalid("/issuer", failure.detail)))
      }

      const create = Effect.fn("OAuthProviders.create")(function* (tenantId: TenantId, input: Input) {
        const endpoints = yield* endpointsOf(input)
        const { clientSecret } = input
        const asked = input.clientAuthentication ?? (clientSecret === undefined ? "none" : undefined)
        const clientAuthentication = asked ?? endpoints.clientAuthentication
        if ((clientAuthentication === "none") !== (clientSecret === undefined)) {
          return yield* invalid(
            "/clientSecret",
            `The client authentication '${clientAuthentication}' does not fit this`
          )
        }
        const provider: OAuthProvider = {
          id: yield* newId(OAuthProviderId),
          name: input.name,
          ...endpoints,
          clientAuthentication,
          clientId: input.clientId,
          scopes: input.scopes ?? [],
          allowPrivateNetwork: input.allowPrivateNetwork ?? false,
          createdAt: yield* DateTime.now
        }
        yield* client.check(provider).pipe(Effect.catch((failure: OAuthFailure) => invalid("", failure.detail)))
        return yield* repository.createProvider(tenantId, {
          provider,
          ...(clientSecret === undefined
            ? {}
            : { clientSecret: yield* secrets.seal(tenantId, providerSecret(provider.id), clientSecret) })
        })
      })

      const registration = Effect.fn("OAuthProviders.registration")(function* (tenantId: TenantId, name: string) {
        const { clientSecret, provider } = yield* repository.getProvider(tenantId, name)
        if (clientSecret === undefined) return { provider }
        return { provider, clientSecret: yield* secrets.open(tenantId, providerSecret(provider.id), clientSecret) }
      })

      return OAuthProviders.of({ create, registration })
    })
  )
}
