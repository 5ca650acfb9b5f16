import { Context, Effect, Layer, Schema } from "effect"
import { Events, OAuth2Server, type TokenRequestIncomingMessage } from "oauth2-mock-server"

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
        const server = new OAuth2Server()
        const stop = Effect.promise(() => (server.listening ? server.stop() : Promise.resolve()))
        const addKey = (algorithm: string) =>
          Effect.map(
            Effect.promise(() => server.issuer.keys.generate(algorithm)),
            ({ kid }) => kid
          )
        yield* addKey(algorithm)
        yield* Effect.acquireRelease(
          Effect.promise(() => server.start(0, "127.0.0.1")),
          () => stop
        )
        server.service.on(
          Events.BeforeTokenSigning,
          ({ payload }: { payload: Record<string, unknown> }, { body }: TokenRequestIncomingMessage) => {
            assign(payload, { ...claims, scope: body.scope, ...(hasResource(body) ? { aud: body.resource } : {}) })
          }
        )
        let change: Parameters<AuthorizationServer["Service"]["onTokenRequest"]>[0] = () => {}
        server.service.on(Events.BeforeResponse, (answer: TokenAnswer, { body }: TokenRequestIncomingMessage) =>
          change({ ...body }, answer)
        )
        let revocations = 0
        server.service.on(Events.BeforeRevoke, () => revocations++)
        const issuer = server.issuer.url ?? ""
        return AuthorizationServer.of({
          issuer,
          jwksUrl: new URL(`${issuer}/jwks`),
          token: ({ claims: changes = {}, header = {}, kid } = {}) =>
            Effect.promise(() =>
              server.issuer.buildToken({
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
          publicKeys: Effect.sync(() => server.issuer.keys.toJSON()),
          stop
        })
      })
    )
}
