import { signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { secretsManagerRetry, secretsManagerTimeout } from "@devops-mcp/resilience/Policies"
import { Array, Config, Effect, Option, Predicate, Schema } from "effect"
import { masterKeyOf } from "./MasterKeySettings.ts"

/** The installation's key cannot be had from AWS Secrets Manager. Says what AWS said, which is never the secret. */
export class SecretsManagerUnusable extends Schema.TaggedError<SecretsManagerUnusable>()(
  "@devops-mcp/infrastructure/MasterKeySecretsManager/SecretsManagerUnusable",
  { secretId: Schema.String, detail: Schema.String, retryable: Schema.Boolean }
) {
  override get message() {
    return `The secret '${this.secretId}' of AWS Secrets Manager (SECRETS_MANAGER_PREFIX) cannot be used: ${this.detail}`
  }
}

/** The version that AWS calls current, and the one before. */
type Stage = "AWSCURRENT" | "AWSPREVIOUS"

const notFound = "ResourceNotFoundException"

const isAwsFailure = Schema.is(
  Schema.Struct({ name: Schema.String, $metadata: Schema.Struct({ httpStatusCode: Schema.optional(Schema.Finite) }) })
)

const nameOf = (cause: unknown) => (cause instanceof Error ? cause.name : "Error")

/** Everything passes but a clear no: a request that AWS answered with a client's fault, throttling aside. */
const isPassing = (cause: unknown): boolean => {
  if (nameOf(cause) === "CredentialsProviderError") return false
  if (!isAwsFailure(cause)) return true
  const status = cause.$metadata.httpStatusCode
  return status === undefined || status >= 500 || status === 429 || cause.name === "ThrottlingException"
}

const messageOf = (cause: unknown): string => {
  // Connections that were refused at several addresses come as one error without a message.
  if (cause instanceof AggregateError) return messageOf(cause.errors[0])
  return cause instanceof Error && cause.message !== "" ? `${cause.name}: ${cause.message}` : nameOf(cause)
}

/**
 * The keys in the secret `PREFIX/encryption-key`, 32 bytes in base64: its current version, then its previous one if it
 * has one. So the rotation that AWS does by itself, or an operator with `put-secret-value`, keeps the old key at hand.
 */
export const masterKeysOfSecretsManager = Effect.fnUntraced(function* (prefix: string) {
  const secretId = `${prefix}/encryption-key`
  const endpoint = yield* Config.option(Config.URL("AWS_ENDPOINT_URL"))
  const { GetSecretValueCommand, SecretsManagerClient } = yield* Effect.promise(
    () => import("@aws-sdk/client-secrets-manager")
  )
  const unusable = (detail: string, retryable = false) => new SecretsManagerUnusable({ secretId, detail, retryable })
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new SecretsManagerClient({
          maxAttempts: 1,
          ...(Option.isSome(endpoint) ? { endpoint: endpoint.value.href } : {})
        })
    ),
    (client) => Effect.sync(() => client.destroy())
  )

  const read = Effect.fnUntraced(function* (stage: Stage) {
    const command = new GetSecretValueCommand({ SecretId: secretId, VersionStage: stage })
    const { SecretString: text } = yield* Effect.tryPromise({
      try: (signal) => client.send(command, { abortSignal: signal }),
      catch: (cause) => (nameOf(cause) === notFound ? undefined : unusable(messageOf(cause), isPassing(cause)))
    }).pipe(
      Effect.catchIf(Predicate.isUndefined, () => Effect.succeed({ SecretString: undefined })),
      Effect.timeoutOrElse({
        duration: secretsManagerTimeout,
        orElse: () => Effect.fail(unusable("AWS does not answer", true))
      }),
      Effect.retry(secretsManagerRetry)
    )
    if (text === undefined) return Option.none()
    const key = masterKeyOf(text)
    return Option.isSome(key)
      ? key
      : yield* unusable(`its version ${stage} does not hold ${signingKeyBytes} bytes in base64`)
  })

  const current = yield* read("AWSCURRENT")
  if (Option.isNone(current)) return yield* unusable("there is no such secret, or it has no value")
  return Array.make(current.value, ...Option.toArray(yield* read("AWSPREVIOUS")))
}, Effect.scoped)
