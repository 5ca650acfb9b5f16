import { NotFound } from "@devops-mcp/domain/Errors"
import { ResultId, type TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { resultLifetime, resultListRetry, resultStoreTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, Duration, Effect, Layer, Option, Schema, Semaphore } from "effect"
import { Digest } from "effect/crypto"
import { makeNewId } from "../NewId.ts"
import { Cache } from "../ports/Cache.ts"
import { ObjectStore, ObjectStoreError } from "../ports/ObjectStore.ts"

/** What one result may hold, in bytes. */
export const largestResult = 50 * 1024 * 1024

/** Bytes of a result that one read gives; a part may be up to three shorter, so that no character is torn. */
export const resultPartSize = 1024 * 1024

/** What a tenant's results may hold together, and how many there may be; the oldest make room. */
const tenantBytes = 1024 * 1024 * 1024
const tenantResults = 500

/** Objects that one `keep` removes at most. */
const sweepSize = 20

/** The lock of a tenant's list frees itself, should its holder die. */
const lockLifetime = Duration.seconds(30)

/** The list of a tenant's results, oldest first. Ids tell when they were made. */
const Listed = Schema.Struct({ owner: Schema.String, id: ResultId, bytes: Schema.Int })
const List = Schema.fromJsonString(Schema.Array(Listed))
const decodeList = Schema.decodeOption(List)
const encodeList = Schema.encodeSync(List)
type Listed = typeof Listed.Type

/** A UUIDv7 begins with the milliseconds of its making. */
const madeAt = (id: ResultId) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

const isExpired = (id: ResultId, now: number) => madeAt(id) + Duration.toMillis(resultLifetime) <= now

const folderOf = (tenantId: TenantId) => `results/${tenantId}`
const keyOf = (tenantId: TenantId, { id, owner }: Pick<Listed, "id" | "owner">) =>
  `${folderOf(tenantId)}/${owner}/${id}`

const toBytes = (text: string) => new TextEncoder().encode(text)
const toText = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Which of the listed must go: what has expired, and the oldest of what is too much. */
const surplus = (list: ReadonlyArray<Listed>, now: number): ReadonlyArray<Listed> => {
  let bytes = 0
  return list
    .toReversed()
    .filter((listed, position) => {
      bytes += listed.bytes
      return isExpired(listed.id, now) || position >= tenantResults || bytes > tenantBytes
    })
    .toReversed()
}

/** The start of a part, moved back to where a character of UTF-8 begins. */
const partStart = (body: Uint8Array, part: number) => {
  let start = Math.min((part - 1) * resultPartSize, body.length)
  while (start > 0 && start < body.length && (body[start]! & 0xc0) === 0x80) start -= 1
  return start
}

/** A result that does not fit the limit, or the store. */
export class ResultTooLarge extends Schema.TaggedError<ResultTooLarge>()(
  "@devops-mcp/core/results/Results/ResultTooLarge",
  { limit: Schema.Int }
) {
  override get message() {
    return `A result can be kept up to ${this.limit} bytes`
  }
}

/** One part of a kept result; parts count from 1, and their texts joined are the whole. */
export interface ResultPart {
  readonly text: string
  readonly part: number
  readonly parts: number
  readonly bytes: number
}

/**
 * Keeps results that are too large to be sent, for a day. A result is under a key made of its tenant and actor, so that
 * nobody else can read it. Each `keep` removes some of what has expired.
 */
export class Results extends Context.Service<
  Results,
  {
    readonly keep: (
      principal: Principal,
      text: string
    ) => Effect.Effect<{ readonly id: ResultId; readonly bytes: number }, ResultTooLarge | ObjectStoreError>
    readonly read: (
      principal: Principal,
      id: ResultId,
      part: number
    ) => Effect.Effect<ResultPart, NotFound | ObjectStoreError>
  }
>()("@devops-mcp/core/results/Results") {
  static readonly layer = Layer.effect(
    Results,
    Effect.gen(function* () {
      const objects = yield* ObjectStore
      const cache = yield* Cache
      const digest = yield* Digest.Digest
      const newId = yield* makeNewId
      const turn = yield* Semaphore.make(1)

      const ownerOf = ({ actor, credential }: Principal) =>
        digest.digestHex(Digest.sha256, toBytes(`${credential}:${actor}`))

      const bounded = (operation: ObjectStoreError["operation"]) =>
        Effect.timeoutOrElse({
          duration: resultStoreTimeout,
          orElse: () => Effect.fail(new ObjectStoreError({ operation, retryable: true, cause: "It took too long" }))
        })

      /** One at a time, among replicas too. Without the cache two of them may forget to list, and so to remove, a result. */
      const alone = <A, E>(tenantId: TenantId, effect: Effect.Effect<A, E>) => {
        const lock = `${folderOf(tenantId)}/lock`
        return Effect.acquireUseRelease(
          cache.setIfAbsent(lock, "", lockLifetime).pipe(
            Effect.filterOrFail((mine) => mine),
            Effect.retry(resultListRetry),
            Effect.orElseSucceed(() => false)
          ),
          () => effect,
          (mine) => (mine ? Effect.ignore(cache.delete(lock)) : Effect.void)
        ).pipe(turn.withPermit)
      }

      /** What could not be removed stays listed, for the next time. */
      const sweep = Effect.fnUntraced(function* (tenantId: TenantId, list: ReadonlyArray<Listed>) {
        const due = surplus(list, yield* Clock.currentTimeMillis).slice(0, sweepSize)
        const removed = yield* Effect.filter(
          due,
          (listed) => Effect.isSuccess(objects.delete(keyOf(tenantId, listed))),
          { concurrency: 4 }
        )
        return list.filter((listed) => !removed.includes(listed))
      })

      const enlist = (tenantId: TenantId, added: Listed) =>
        alone(
          tenantId,
          Effect.gen(function* () {
            const key = `${folderOf(tenantId)}/list`
            const list = Option.getOrElse(
              Option.flatMap(Option.map(yield* objects.get(key), toText), decodeList),
              (): ReadonlyArray<Listed> => []
            )
            yield* objects.put(key, toBytes(encodeList([...(yield* sweep(tenantId, list)), added])))
          })
        )

      const keep = Effect.fn("Results.keep")(function* (principal: Principal, text: string) {
        const tooLarge = new ResultTooLarge({ limit: largestResult })
        if (text.length > largestResult) return yield* tooLarge
        const body = toBytes(text)
        if (body.byteLength > largestResult) return yield* tooLarge
        const { tenantId } = principal
        const listed = { owner: yield* ownerOf(principal), id: yield* newId(ResultId), bytes: body.byteLength }
        // Listed first: what is not listed is never removed.
        yield* Effect.andThen(enlist(tenantId, listed), objects.put(keyOf(tenantId, listed), body)).pipe(bounded("put"))
        return { id: listed.id, bytes: listed.bytes }
      })

      const read = Effect.fn("Results.read")(function* (principal: Principal, id: ResultId, part: number) {
        const missing = new NotFound({ resource: "result", id })
        const key = keyOf(principal.tenantId, { id, owner: yield* ownerOf(principal) })
        if (isExpired(id, yield* Clock.currentTimeMillis)) return yield* missing
        const stored = yield* objects.get(key).pipe(bounded("get"))
        if (Option.isNone(stored)) return yield* missing
        const body = stored.value
        const parts = Math.max(1, Math.ceil(body.length / resultPartSize))
        if (!Number.isInteger(part) || part < 1 || part > parts) return yield* missing
        const text = toText(body.subarray(partStart(body, part), partStart(body, part + 1)))
        return { text, part, parts, bytes: body.length }
      })

      return Results.of({ keep, read })
    })
  )
}
