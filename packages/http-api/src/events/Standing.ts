import { Authentication } from "@devops-mcp/core/access/Authentication"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { eventFeedSweep } from "@devops-mcp/resilience/Policies"
import { Effect, type Redacted } from "effect"

/** What keeps a stream open, asked again for as long as it is. */
export const makeStanding = Effect.gen(function* () {
  const authentication = yield* Authentication
  const { begun } = yield* Draining

  const isGood = ({ tenantId }: Principal, scope: Scope | "any", credential: Redacted.Redacted) =>
    authentication.authenticate(credential).pipe(
      Effect.map((principal) => principal.tenantId === tenantId && (scope === "any" || allows(principal, scope))),
      Effect.catchTag("@devops-mcp/domain/Errors/Unauthenticated", () => Effect.succeed(false)),
      // Nobody is thrown out because somebody else does not answer.
      Effect.catch((error) =>
        Effect.as(Effect.logWarning("The credential of a stream could not be checked again", error), true)
      )
    )

  /** Succeeds once the credential is good no more, or does not allow this any more. */
  const revoked = (principal: Principal, scope: Scope | "any", credential: Redacted.Redacted) =>
    isGood(principal, scope, credential).pipe(
      Effect.repeat({ schedule: eventFeedSweep, until: (good) => !good }),
      Effect.asVoid
    )

  return {
    draining: begun,
    revoked,
    /** Succeeds when whatever a caller keeps open must end: it is revoked or expired, or the server stops. */
    over: (principal: Principal, scope: Scope | "any", credential: Redacted.Redacted) =>
      Effect.race(begun, revoked(principal, scope, credential))
  }
})
