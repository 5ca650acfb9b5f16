import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { ConnectionId, OAuthProviderId } from "./Ids.ts"

/** Lower case, starts with a letter; tools name their provider by it. */
export const ProviderName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_-]{0,39}$/))

/** An address of an authorization server. Which addresses are allowed is checked when it is used. */
export const EndpointUrl = Schema.String.check(
  Schema.isMaxLength(2000),
  Schema.makeFilter((text) => ["https:", "http:"].includes(URL.parse(text)?.protocol ?? ""), {
    expected: "a URL that begins with https:// or http://"
  })
)

/** One scope of OAuth 2.0 (RFC 6749, 3.3). */
export const OAuthScope = Schema.String.check(Schema.isPattern(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/))

export const OAuthScopes = Schema.Array(OAuthScope).check(Schema.isMaxLength(100))

/** How we show the provider who we are; a public client has no secret and sends `none`. */
export const ClientAuthentication = Schema.Literals(["client_secret_basic", "client_secret_post", "none"])
export type ClientAuthentication = typeof ClientAuthentication.Type

/** Where an authorization server is reached. Without an `issuer` it cannot say in its answers who it is. */
export const OAuthEndpoints = Schema.Struct({
  issuer: Schema.optionalKey(EndpointUrl),
  authorizationEndpoint: EndpointUrl,
  tokenEndpoint: EndpointUrl,
  revocationEndpoint: Schema.optionalKey(EndpointUrl),
  clientAuthentication: ClientAuthentication,
  /** Its answers always say who it is (RFC 9207), so one that does not is not its own. */
  issRequired: Schema.Boolean
})
export type OAuthEndpoints = typeof OAuthEndpoints.Type

/** A third-party tool's authorization server, as an administrator registered us there. Its secret is kept apart. */
export const OAuthProvider = Schema.Struct({
  id: OAuthProviderId,
  name: ProviderName,
  ...OAuthEndpoints.fields,
  clientId: Schema.String.check(Schema.isBetweenLength(1, 500)),
  scopes: OAuthScopes,
  allowPrivateNetwork: Schema.Boolean,
  createdAt: Timestamp
}).annotate({ identifier: "OAuthProvider" })
export type OAuthProvider = typeof OAuthProvider.Type

/** `expired`: the provider takes the tokens no more, and only its owner can connect again. */
export const ConnectionStatus = Schema.Literals(["connected", "expired"])
export type ConnectionStatus = typeof ConnectionStatus.Type

/** An account of a third-party tool that we may use: its owner's alone, or the whole tenant's. Its tokens are kept apart. */
export const Connection = Schema.Struct({
  id: ConnectionId,
  provider: ProviderName,
  shared: Schema.Boolean,
  status: ConnectionStatus,
  scopes: OAuthScopes,
  createdAt: Timestamp,
  updatedAt: Timestamp
}).annotate({ identifier: "Connection" })
export type Connection = typeof Connection.Type
