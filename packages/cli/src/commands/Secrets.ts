import { SecretRotation } from "@devops-mcp/core/secrets/SecretRotation"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { DatabaseLive } from "@devops-mcp/database/Database"
import { SigningKeyLive } from "@devops-mcp/infrastructure/SigningKey"
import { Health } from "@devops-mcp/observability/Health"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Console, Effect, Layer } from "effect"
import { CommandFailed } from "../Failure.ts"

const RotationLive = SecretRotation.layer.pipe(
  Layer.provide(Secrets.layer),
  Layer.provide([SigningKeyLive, DatabaseLive({ migrations: "require" })]),
  Layer.provide([Health.layer, NodeCrypto.layer])
)

/** Brings every stored secret under the newest key and says what that took; fails when some could not be read. */
export const rotate = Effect.gen(function* () {
  const { chains, changed, renewed, sealed, unreadable } = yield* (yield* SecretRotation).run
  yield* Console.log(
    `${renewed} secrets renewed, ${sealed} sealed that were plain, ${changed} changed meanwhile, ${unreadable} unreadable; ${chains} audit chains sealed anew`
  )
  if (unreadable > 0) {
    return yield* new CommandFailed({
      message: `${unreadable} secrets could not be read; add the keys they need to ENCRYPTION_KEY_PREVIOUS, or set them again`,
      exitCode: 1
    })
  }
}).pipe(Effect.provide(RotationLive))
