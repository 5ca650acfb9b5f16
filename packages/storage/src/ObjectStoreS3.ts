import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { s3ConnectTimeout, s3Retry, s3Timeout } from "@devops-mcp/resilience/Policies"
import type { S3Client } from "@aws-sdk/client-s3"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { Digest } from "effect/crypto"
import { largestObject, type Operation, refused, validKey, withinLimit } from "./Objects.ts"

/** The bucket that large objects are to go to cannot be used. Says what AWS said. */
export class BucketUnusable extends Schema.TaggedError<BucketUnusable>()(
  "@devops-mcp/storage/ObjectStoreS3/BucketUnusable",
  { bucket: Schema.String, detail: Schema.String, retryable: Schema.Boolean }
) {
  override get message() {
    return `The bucket '${this.bucket}' (S3_BUCKET) cannot be used: ${this.detail}`
  }
}

/** Names without empty parts and parts of dots, which not every store that speaks S3 takes for what they are. */
const plain = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

const isAwsFailure = Schema.is(
  Schema.Struct({ name: Schema.String, $metadata: Schema.Struct({ httpStatusCode: Schema.optional(Schema.Finite) }) })
)

const statusOf = (cause: unknown) => (isAwsFailure(cause) ? cause.$metadata.httpStatusCode : undefined)

/** Everything passes but a clear no: a request that was answered with a client's fault, throttling aside. */
const isPassing = (cause: unknown): boolean => {
  if (cause instanceof Error && cause.name === "CredentialsProviderError") return false
  const status = statusOf(cause)
  return status === undefined || status >= 500 || status === 429 || status === 408
}

const messageOf = (cause: unknown): string => {
  // Connections that were refused at several addresses come as one error without a message.
  if (cause instanceof AggregateError) return messageOf(cause.errors[0])
  if (!(cause instanceof Error) || cause.message === "") return "AWS does not answer"
  return cause.name === "Error" ? cause.message : `${cause.name}: ${cause.message}`
}

/** What the head of a bucket says has no body, so the status is all there is to go by. */
const reasonOf = (cause: unknown): string => {
  const status = statusOf(cause)
  if (status === 404) return "there is no such bucket"
  if (status === 403) return "access is denied: the credentials need s3:ListBucket on it"
  if (status === 301) return "it is in another region than AWS_REGION"
  return messageOf(cause)
}

const failed = (operation: Operation) => (cause: unknown) =>
  new ObjectStoreError({ operation, retryable: isPassing(cause), cause })

export interface S3Options {
  readonly bucket: string
  /** Another server than AWS's own, which then has buckets in paths and not in host names. */
  readonly endpoint: Option.Option<URL>
}

const makeClient = ({ endpoint }: S3Options) =>
  Effect.gen(function* () {
    const aws = yield* Effect.promise(() => import("@aws-sdk/client-s3"))
    const client = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new aws.S3Client({
            maxAttempts: 1,
            requestHandler: { connectionTimeout: Duration.toMillis(s3ConnectTimeout) },
            ...(Option.isSome(endpoint) ? { endpoint: endpoint.value.href, forcePathStyle: true } : {})
          })
      ),
      (client) => Effect.sync(() => client.destroy())
    )
    return { aws, client }
  })

/** Fails unless the bucket is there and may be looked into: without that right a missing object cannot be told. */
const requireBucket = (aws: typeof import("@aws-sdk/client-s3"), client: S3Client, bucket: string) =>
  Effect.tryPromise({
    try: (signal) => client.send(new aws.HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal }),
    catch: (cause) => new BucketUnusable({ bucket, detail: reasonOf(cause), retryable: isPassing(cause) })
  }).pipe(
    Effect.timeoutOrElse({
      duration: s3Timeout,
      orElse: () => Effect.fail(new BucketUnusable({ bucket, detail: "AWS does not answer", retryable: true }))
    }),
    Effect.retry(s3Retry)
  )

const make = Effect.fnUntraced(function* (options: S3Options) {
  const digest = yield* Digest.Digest
  const { bucket: Bucket } = options
  const { aws, client } = yield* makeClient(options)
  yield* requireBucket(aws, client, Bucket)

  const placeOf = Effect.fnUntraced(function* (operation: Operation, key: string) {
    const valid = yield* validKey(operation, key)
    if (plain.test(valid)) return { Bucket, Key: `objects/${valid}` }
    return { Bucket, Key: `digests/${yield* digest.digestHex(Digest.sha256, new TextEncoder().encode(valid))}` }
  })

  const attempt = <A>(operation: Operation, send: (signal: AbortSignal) => Promise<A>) =>
    Effect.tryPromise({ try: send, catch: failed(operation) }).pipe(
      Effect.timeoutOrElse({
        duration: s3Timeout,
        orElse: () => Effect.fail(new ObjectStoreError({ operation, retryable: true, cause: "S3 does not answer" }))
      })
    )

  const put = Effect.fn("ObjectStoreS3.put")(function* (key: string, body: Uint8Array) {
    yield* Effect.annotateCurrentSpan({ key, bytes: body.byteLength })
    const place = yield* placeOf("put", key)
    yield* withinLimit(body)
    yield* attempt("put", (abortSignal) =>
      client.send(new aws.PutObjectCommand({ ...place, Body: body }), { abortSignal })
    ).pipe(Effect.retry(s3Retry))
  })

  const read = async (place: { readonly Bucket: string; readonly Key: string }, abortSignal: AbortSignal) => {
    const { Body, ContentLength = 0 } = await client.send(new aws.GetObjectCommand(place), { abortSignal })
    if (Body === undefined) return new Uint8Array()
    if (ContentLength > largestObject) {
      await Body.transformToWebStream().cancel()
      return undefined
    }
    return await Body.transformToByteArray()
  }

  const get = Effect.fn("ObjectStoreS3.get")(function* (key: string) {
    yield* Effect.annotateCurrentSpan({ key })
    const place = yield* placeOf("get", key)
    const found = yield* attempt("get", (signal) => read(place, signal)).pipe(
      Effect.asSome,
      Effect.catchIf(
        (error) => statusOf(error.cause) === 404,
        () => Effect.succeedNone
      ),
      Effect.retry(s3Retry)
    )
    if (Option.isNone(found)) return Option.none()
    return found.value === undefined
      ? yield* refused("get")("The object is larger than any that was put")
      : Option.some(found.value)
  })

  const remove = Effect.fn("ObjectStoreS3.delete")(function* (key: string) {
    yield* Effect.annotateCurrentSpan({ key })
    const place = yield* placeOf("delete", key)
    yield* attempt("delete", (abortSignal) => client.send(new aws.DeleteObjectCommand(place), { abortSignal })).pipe(
      Effect.retry(s3Retry)
    )
  })

  return ObjectStore.of({ put, get, delete: remove })
})

/**
 * Objects in a bucket of Amazon S3 or of what speaks its API; region and credentials are AWS's own variables. S3 makes a
 * `put` whole and shows it at once to every reader. Nothing but a bucket that can be used lets the program start.
 */
export const layer = (options: S3Options): Layer.Layer<ObjectStore, BucketUnusable> =>
  Layer.effect(ObjectStore, make(options)).pipe(Layer.provide(NodeCrypto.layerDigest))
