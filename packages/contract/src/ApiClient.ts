import { Context, Effect, type Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./Api.ts"
import { type IdempotencyKey, idempotencyKeyHeader } from "./Idempotency.ts"

/**
 * Sends the requests of an effect with this `Idempotency-Key`: repeated, they are carried out once. A key is for one
 * request, so the effect should make one.
 */
export const withIdempotencyKey =
  (key: typeof IdempotencyKey.Type) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, CurrentIdempotencyKey, key)

const CurrentIdempotencyKey = Context.Reference<string | undefined>(
  "@devops-mcp/contract/ApiClient/CurrentIdempotencyKey",
  { defaultValue: () => undefined }
)

const identified = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.map(CurrentIdempotencyKey, (key) =>
    key === undefined ? request : HttpClientRequest.setHeader(request, idempotencyKeyHeader, key)
  )

/** The typed client of a running server, derived from the contract; `url` is its address without a path. */
export const apiClient = (url: string, key: string | Redacted.Redacted) =>
  HttpApiClient.make(Api, {
    transformClient: (client) =>
      client.pipe(
        HttpClient.mapRequest((request) =>
          request.pipe(HttpClientRequest.prependUrl(url), HttpClientRequest.bearerToken(key))
        ),
        HttpClient.mapRequestEffect(identified)
      )
  })
