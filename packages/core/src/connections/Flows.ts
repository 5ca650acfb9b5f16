import type { OAuthProvider } from "@devops-mcp/domain/Connection"
import { OAuthProviderId } from "@devops-mcp/domain/Ids"
import { Principal } from "@devops-mcp/domain/Principal"
import { connectionFlowLifetime } from "@devops-mcp/resilience/Policies"
import { Effect, Option, Redacted, Schema } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { makeSeals } from "../access/Seals.ts"
import { Cache } from "../ports/Cache.ts"
import { SealedText } from "../secrets/SealedText.ts"
import { Secrets } from "../secrets/Secrets.ts"

/** Somebody was sent to a provider to allow a connection, and has not come back yet. */
const Flow = Schema.Struct({
  principal: Principal,
  provider: Schema.String,
  providerId: OAuthProviderId,
  shared: Schema.Boolean,
  redirectUri: Schema.String,
  verifier: SealedText
})

const FlowText = Schema.fromJsonString(Flow)
const encodeFlow = Schema.encodeEffect(FlowText)
const decodeFlow = Schema.decodeUnknownOption(FlowText)

const verifierPurpose = "connections.code_verifier"

/** What the state is bound to: the caller, and what the caller asked for. */
const boundTo = (id: string, { principal, providerId, redirectUri, shared }: typeof Flow.Type) => [
  id,
  principal.tenantId,
  principal.credential,
  principal.actor,
  providerId,
  redirectUri,
  shared
]

const authorizationUrl = (
  { authorizationEndpoint, clientId, scopes }: OAuthProvider,
  {
    challenge,
    redirectUri,
    state
  }: { readonly challenge: string; readonly redirectUri: string; readonly state: string }
): string => {
  const url = new URL(authorizationEndpoint)
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    state,
    code_challenge: challenge,
    code_challenge_method: "S256"
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** What somebody who connects an account asks for. */
export interface FlowRequest {
  readonly principal: Principal
  readonly provider: OAuthProvider
  readonly shared: boolean
  readonly redirectUri: string
}

/**
 * Authorization requests that are under way. A state is good once, within its time, and only for the flow it was made
 * for; the code verifier stays with us, sealed.
 */
export const makeFlows = Effect.gen(function* () {
  const cache = yield* Cache
  const secrets = yield* Secrets
  const random = yield* SecureRandom.SecureRandom
  const digest = yield* Digest.Digest
  const seals = yield* makeSeals("connection", connectionFlowLifetime)
  const keyOf = (id: string) => `connection-flow:${id}`

  const begin = Effect.fnUntraced(function* ({ principal, provider, redirectUri, shared }: FlowRequest) {
    const id = Base64Url.encode(yield* random.randomBytes(16))
    const verifier = Base64Url.encode(yield* random.randomBytes(32))
    const flow = {
      principal,
      provider: provider.name,
      providerId: provider.id,
      shared,
      redirectUri,
      verifier: yield* secrets.seal(principal.tenantId, verifierPurpose, Redacted.make(verifier))
    }
    const { expiresAt, text } = yield* seals.seal(boundTo(id, flow), null)
    yield* cache.set(keyOf(id), yield* Effect.orDie(encodeFlow(flow)), connectionFlowLifetime)
    const state = `${id}.${text}`
    const hash = yield* Effect.orDie(digest.digest(Digest.sha256, new TextEncoder().encode(verifier)))
    const challenge = Base64Url.encode(hash)
    return { authorizationUrl: authorizationUrl(provider, { challenge, redirectUri, state }), state, expiresAt }
  })

  const find = Effect.fnUntraced(function* (state: string) {
    const [id = ""] = state.split(".", 1)
    const flow = Option.flatMap(yield* cache.get(keyOf(id)), decodeFlow)
    if (Option.isNone(flow)) return Option.none()
    const sealed = yield* seals.open(boundTo(id, flow.value), state.slice(id.length + 1))
    return Option.map(sealed, () => ({ flow: flow.value, usedKey: `${keyOf(id)}:used` }))
  })

  /** The flow of a state that is good, which stays so. */
  const look = Effect.fnUntraced(function* (state: string) {
    const found = yield* find(state)
    if (Option.isNone(found) || Option.isSome(yield* cache.get(found.value.usedKey))) return Option.none()
    return Option.some(found.value.flow)
  })

  /** The same for the first who brings it; from then on it is good no more. */
  const discard = Effect.fnUntraced(function* (state: string) {
    const found = yield* find(state)
    if (Option.isNone(found)) return Option.none()
    const first = yield* cache.setIfAbsent(found.value.usedKey, "used", connectionFlowLifetime)
    return first ? Option.some(found.value.flow) : Option.none()
  })

  /** The same with its code verifier. */
  const take = Effect.fnUntraced(function* (state: string) {
    const flow = yield* discard(state)
    if (Option.isNone(flow)) return Option.none()
    const verifier = yield* Effect.option(
      secrets.open(flow.value.principal.tenantId, verifierPurpose, flow.value.verifier)
    )
    return Option.map(verifier, (verifier) => ({ ...flow.value, verifier }))
  })

  return { begin, look, discard, take }
})
