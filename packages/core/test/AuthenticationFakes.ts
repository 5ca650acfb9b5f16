import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { makeApiKeySecrets } from "@devops-mcp/core/access/ApiKeySecret"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Audit } from "@devops-mcp/core/audit/Audit"
import type { Refusal } from "@devops-mcp/core/audit/Refusals"
import { Revocations } from "@devops-mcp/core/access/Revocations"
import { scopesOf } from "@devops-mcp/core/Policy"
import { AccessTokens, type AccessTokensUnavailable, type TokenClaims } from "@devops-mcp/core/ports/AccessTokens"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { NotFound, type Unauthenticated } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, DateTime, Effect, Layer, Option, Queue, Redacted, Ref } from "effect"

export const tenantId = freshId(TenantId)
const secret = Redacted.make("dmk_the_key_that_this_test_knows_of_00")
export const key: ApiKey = {
  id: freshId(ApiKeyId),
  name: "ci",
  role: "agent",
  createdAt: DateTime.makeUnsafe(0)
}

export const token = Redacted.make("header.claims.signature")
export const claims: TokenClaims = {
  tenantId,
  subject: "ada",
  scopes: scopesOf("agent"),
  expiresAt: DateTime.makeUnsafe(3_600_000)
}

type Lookup = Effect.Effect<Option.Option<ApiKey>, StoreError>

export type Verification = Effect.Effect<TokenClaims, Unauthenticated | AccessTokensUnavailable>

export const storeDown = new StoreError({ operation: "api_keys.find", retryable: true, cause: new Error("down") })

/** What the ports answer for the one key and any token, and how often they were asked. */
export class Store extends Context.Service<
  Store,
  {
    readonly lookups: Ref.Ref<number>
    /** Which key was noted as used, and when. */
    readonly notes: Queue.Queue<string>
    readonly notesFail: Ref.Ref<boolean>
    readonly refusals: Queue.Queue<Refusal>
    readonly answer: Ref.Ref<Lookup>
    readonly verifications: Ref.Ref<number>
    readonly verification: Ref.Ref<Verification>
    readonly tenants: Ref.Ref<ReadonlyArray<TenantId>>
  }
>()("@devops-mcp/core/test/AuthenticationFakes/Store") {
  static readonly layer = Layer.effect(
    Store,
    Effect.gen(function* () {
      return Store.of({
        lookups: yield* Ref.make(0),
        notes: yield* Queue.unbounded<string>(),
        notesFail: yield* Ref.make(false),
        refusals: yield* Queue.unbounded<Refusal>(),
        answer: yield* Ref.make<Lookup>(Effect.succeedSome(key)),
        verifications: yield* Ref.make(0),
        verification: yield* Ref.make<Verification>(Effect.succeed(claims)),
        tenants: yield* Ref.make<ReadonlyArray<TenantId>>([tenantId])
      })
    })
  )
}

const Keys = Layer.effect(
  ApiKeyRepository,
  Effect.gen(function* () {
    const { answer, lookups, notes, notesFail } = yield* Store
    const presented = yield* (yield* makeApiKeySecrets).present(secret)
    const proof = presented.proof("given")
    const mock = Layer.mock(ApiKeyRepository, {
      find: (lookupIds) =>
        Effect.gen(function* () {
          yield* Ref.update(lookups, (count) => count + 1)
          if (!lookupIds.includes(proof.lookupId)) return []
          const found = yield* Effect.flatten(Ref.get(answer))
          return Option.toArray(found).map((key) => ({ tenantId, key, proof }))
        }),
      markUsed: (_tenant, id, at) =>
        Effect.gen(function* () {
          yield* Queue.offer(notes, `${id} at ${at.epochMilliseconds}`)
          if (yield* Ref.get(notesFail)) return yield* storeDown
        })
    })
    return Context.get(yield* Layer.build(mock), ApiKeyRepository)
  })
)

const AuditFake = Layer.effect(
  Audit,
  Effect.map(Store, ({ refusals }) =>
    Audit.of({
      record: () => Effect.void,
      repeated: () => Effect.void,
      refused: (refusal) => Effect.asVoid(Queue.offer(refusals, refusal))
    })
  )
)

const Tokens = Layer.effect(
  AccessTokens,
  Effect.map(Store, ({ verification, verifications }) =>
    AccessTokens.of({
      verify: () =>
        Effect.andThen(
          Ref.update(verifications, (count) => count + 1),
          Effect.flatten(Ref.get(verification))
        )
    })
  )
)

const Tenants = Layer.unwrap(
  Effect.map(Store, ({ tenants }) =>
    Layer.mock(TenantRepository, {
      get: (id) =>
        Effect.flatMap(Ref.get(tenants), (known) =>
          known.includes(id)
            ? Effect.succeed({ id, name: "acme", createdAt: DateTime.makeUnsafe(0) })
            : Effect.fail(new NotFound({ resource: "tenant", id }))
        )
    })
  )
)

export const TestLayer = Authentication.layer.pipe(
  Layer.provide([Keys, Tokens, Tenants, AuditFake]),
  Layer.provideMerge(Layer.mergeAll(Store.layer, Revocations.layer)),
  Layer.provide([BusMemory.layer, TestSigningKey, NodeCrypto.layer])
)

export const authenticate = (credential = secret) =>
  Effect.flatMap(Authentication, (authentication) => authentication.authenticate(credential))

export const refusal = (credential = secret) => Effect.flip(authenticate(credential))

export const answer = (lookup: Lookup) => Effect.flatMap(Store, (store) => Ref.set(store.answer, lookup))

export const lookups = Effect.flatMap(Store, (store) => Ref.get(store.lookups))
