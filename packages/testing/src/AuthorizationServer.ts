import { Context, Effect, Layer, Schema } from "effect"
import { createServer } from "node:http"
import { Events, OAuth2Issuer, OAuth2Service, type TokenRequestIncomingMessage } from "oauth2-mock-server"
import { asPeer, listening } from "./Peers.ts"

/** What a test changes of a good token; `undefined` takes a claim away. */
export interface TokenChange {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly kid?: string
}

/** What it answers to a request for tokens. */
export interface TokenAnswer {
  statusCode: number
  body: Record<string, unknown>
}

const hasResource = Schema.is(Schema.Struct({ resource: Schema.String }))

/** Claims that are `undefined` are not there at all. */
const assign = (target: Record<string, unknown>, changes: Readonly<Record<string, unknown>>) => {
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete target[name]
    else target[name] = value
  }
}

/** A real authorization server in this process: it signs tokens, publishes its keys and serves OAuth clients. */
export class AuthorizationServer extends Context.Service<
  AuthorizationServer,
  {
    readonly issuer: string
    readonly jwksUrl: URL
    /** Signs a token with the claims of every test, as changed. */
    readonly token: (change?: TokenChange) => Effect.Effect<string>
    /** Publishes one more key and answers its id. */
    readonly addKey: (algorithm: string) => Effect.Effect<string>
    /** What it publishes. */
    readonly publicKeys: Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>
    /** Has the answers to requests for tokens changed before they are sent, until it is set anew. */
    readonly onTokenRequest: (
      change: (form: Readonly<Record<string, unknown>>, answer: TokenAnswer) => void
    ) => Effect.Effect<void>
    /** How often it was asked to revoke a token. */
    readonly revocations: Effect.Effect<number>
    /** Is not reachable from here on. */
    readonly stop: Effect.Effect<void>
  }
>()("@devops-mcp/testing/AuthorizationServer") {
  /** Tokens that clients ask for are for the resource that they name. */
  static readonly layer = (claims: Readonly<Record<string, unknown>>, algorithm = "ES256") =>
    Layer.effect(
      AuthorizationServer,
      Effect.gen(function* () {
        const oauth = new OAuth2Issuer()
        const service = new OAuth2Service(oauth)
        const server = asPeer(createServer(service.requestHandler))
        const addKey = (algorithm: string) =>
          Effect.map(
            Effect.promise(() => oauth.keys.generate(algorithm)),
            ({ kid }) => kid
          )
        yield* addKey(algorithm)
        const issuer = `http://localhost:${yield* listening(server)}`
        oauth.url = issuer
        service.on(
          Events.BeforeTokenSigning,
          ({ payload }: { payload: Record<string, unknown> }, { body }: TokenRequestIncomingMessage) => {
            assign(payload, { ...claims, scope: body.scope, ...(hasResource(body) ? { aud: body.resource } : {}) })
          }
        )
        let change: Parameters<AuthorizationServer["Service"]["onTokenRequest"]>[0] = () => {}
        service.on(Events.BeforeResponse, (answer: TokenAnswer, { body }: TokenRequestIncomingMessage) =>
          change({ ...body }, answer)
        )
        let revocations = 0
        service.on(Events.BeforeRevoke, () => revocations++)
        return AuthorizationServer.of({
          issuer,
          jwksUrl: new URL(`${issuer}/jwks`),
          token: ({ claims: changes = {}, header = {}, kid } = {}) =>
            Effect.promise(() =>
              oauth.buildToken({
                kid,
                scopesOrTransform: (tokenHeader, payload) => {
                  assign(tokenHeader, header)
                  assign(payload, { ...claims, ...changes })
                }
              })
            ),
          addKey,
          onTokenRequest: (next) => Effect.sync(() => void (change = next)),
          revocations: Effect.sync(() => revocations),
          publicKeys: Effect.sync(() => oauth.keys.toJSON()),
          stop: Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
        })
      })
    )
}
