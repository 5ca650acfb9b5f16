import { apiClient } from "@devops-mcp/contract/ApiClient"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { DatabaseLive } from "@devops-mcp/database/Database"
import { databaseUrl } from "@devops-mcp/database/Settings"
import type { Role } from "@devops-mcp/domain/Principal"
import { Health } from "@devops-mcp/observability/Health"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { localKey, runningInstance } from "../Instance.ts"

interface NewKey {
  readonly name: string
  readonly role: Role
}

const overHttp = Effect.fnUntraced(function* (url: string, credential: Redacted.Redacted, { name, role }: NewKey) {
  const client = yield* apiClient(url, credential)
  const created = yield* client.apiKeys.create({ payload: { name, role } })
  return created.key
})

const inDatabase = Effect.fnUntraced(
  function* ({ name, role }: NewKey) {
    const keys = yield* ApiKeys
    const { secret } = yield* keys.issue(name, role)
    return Redacted.value(secret)
  },
  Effect.provide(
    ApiKeys.layer.pipe(
      Layer.provide(DatabaseLive({ migrations: "run" })),
      Layer.provide([Health.layer, NodeCrypto.layer])
    )
  )
)

/** Makes a key and prints it, this once. */
export const create = Effect.fnUntraced(function* (key: NewKey) {
  // An instance on embedded stores has the home folder to itself, so it is asked; a server takes this process as well.
  const embedded = Option.isNone(yield* databaseUrl)
  const [url, credential] = [yield* runningInstance, yield* localKey]
  const secret =
    embedded && Option.isSome(url) && Option.isSome(credential)
      ? yield* overHttp(url.value, credential.value, key)
      : yield* inDatabase(key)
  yield* Console.log(secret)
})
