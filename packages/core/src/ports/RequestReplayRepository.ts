import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, type DateTime, type Effect } from "effect"
import type { SealedText } from "../secrets/SealedText.ts"
import type { StoreError } from "./StoreError.ts"

/** Whose request a key names: keys are each caller's own. */
export interface ReplayKey {
  readonly tenantId: TenantId
  /** The kind of the credential and the actor. */
  readonly owner: string
  readonly key: string
}

/** A run of a request. The fence is its own: of two runs of one request only the last can say how it ended. */
export interface ReplayClaim extends ReplayKey {
  readonly fence: string
}

/**
 * What is known of a request. `Claimed`: it is the asker's to run; `Running`: somebody runs it; `Other`: the key is
 * another request's; `Answered`: it was carried out, and without an answer where that was too large to be kept.
 */
export type ReplayState =
  | { readonly _tag: "Claimed" }
  | { readonly _tag: "Running"; readonly leasedUntil: DateTime.Utc }
  | { readonly _tag: "Other" }
  | { readonly _tag: "Answered"; readonly sealedAnswer: SealedText | undefined }

/**
 * Answers to requests that may come again. Other than `IdempotencyRepository`, whose rows commit with the effect and
 * stay, these are claimed before the request runs, leased while it does, and forgotten after a day.
 */
export class RequestReplayRepository extends Context.Service<
  RequestReplayRepository,
  {
    /** Of several that ask at once, one gets the claim. A lease that has run out is free to whoever asks the same. */
    readonly claim: (
      claim: ReplayClaim,
      request: {
        readonly fingerprint: string
        readonly now: DateTime.Utc
        readonly leasedUntil: DateTime.Utc
        readonly expiresAt: DateTime.Utc
      }
    ) => Effect.Effect<ReplayState, StoreError>
    /** False when the claim is no longer this run's. */
    readonly extend: (claim: ReplayClaim, leasedUntil: DateTime.Utc) => Effect.Effect<boolean, StoreError>
    /** False when the claim is no longer this run's; then its answer is not kept. */
    readonly answer: (claim: ReplayClaim, sealedAnswer: SealedText | undefined) => Effect.Effect<boolean, StoreError>
    /** Frees the key of a request that was not carried out. */
    readonly release: (claim: ReplayClaim) => Effect.Effect<void, StoreError>
    /** Removes what has expired, of all tenants; answers how many. */
    readonly sweep: (now: DateTime.Utc) => Effect.Effect<number, StoreError>
  }
>()("@devops-mcp/core/ports/RequestReplayRepository") {}
