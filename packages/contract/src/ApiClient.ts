import type { Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./Api.ts"

/** The typed client of a running server, derived from the contract; `url` is its address without a path. */
export const apiClient = (url: string, key: string | Redacted.Redacted) =>
  HttpApiClient.make(Api, {
    transformClient: HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(url), HttpClientRequest.bearerToken(key))
    )
  })
