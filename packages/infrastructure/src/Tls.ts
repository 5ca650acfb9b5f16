import { Config, Effect, FileSystem, Option, Redacted, Schema } from "effect"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { createSecureContext, type SecureContextOptions } from "node:tls"

/** The files that HTTPS needs. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

const setting = Schema.String.annotateKey({
  messageMissingKey: "expected a file, as TLS_CERT_FILE and TLS_KEY_FILE are set together or not at all"
})

const requireBoth = Schema.decodeUnknownEffect(Schema.Struct({ TLS_CERT_FILE: setting, TLS_KEY_FILE: setting }))

/** `TLS_CERT_FILE` and `TLS_KEY_FILE`, both or none; without them the programs speak plain HTTP. */
export const tlsFiles: Config.Config<Option.Option<TlsFiles>> = Config.all({
  certificate: Config.option(Config.NonEmptyString("TLS_CERT_FILE")),
  key: Config.option(Config.NonEmptyString("TLS_KEY_FILE"))
}).pipe(
  Config.mapEffect((given): Effect.Effect<Option.Option<TlsFiles>, Config.ConfigError> => {
    const { certificate, key } = given
    const files = Option.all(given)
    if (Option.isSome(certificate) === Option.isSome(key)) return Effect.succeed(files)
    const present = {
      ...(Option.isSome(certificate) ? { TLS_CERT_FILE: certificate.value } : {}),
      ...(Option.isSome(key) ? { TLS_KEY_FILE: key.value } : {})
    }
    return requireBoth(present).pipe(
      Effect.mapError((error) => new Config.ConfigError(error)),
      Effect.as(files)
    )
  })
)

/** The server cannot speak TLS with these files, and this says which of them is to mend. Never holds what is in them. */
export class TlsUnusable extends Schema.TaggedError<TlsUnusable>()("@devops-mcp/infrastructure/Tls/TlsUnusable", {
  variable: Schema.Literals(["TLS_CERT_FILE", "TLS_KEY_FILE"]),
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The file ${this.path} of ${this.variable} cannot be used: ${this.detail}`
  }
}

/** What the server shows its clients, checked to be a certificate and its key; none when HTTPS is not wanted. */
export const loadTls = Effect.gen(function* () {
  const files = yield* tlsFiles
  if (Option.isNone(files)) return Option.none<Redacted.Redacted<SecureContextOptions>>()
  const fs = yield* FileSystem.FileSystem
  const of = (variable: TlsUnusable["variable"], path: string) => {
    const unusable = (detail: string) => new TlsUnusable({ variable, path, detail })
    return {
      unusable,
      read: fs
        .readFileString(path)
        .pipe(Effect.mapError(({ reason }) => unusable(`it cannot be read (${reason._tag})`))),
      parse: <A>(evaluate: () => A, detail: string) => Effect.try({ try: evaluate, catch: () => unusable(detail) })
    }
  }
  const certificateFile = of("TLS_CERT_FILE", files.value.certificate)
  const keyFile = of("TLS_KEY_FILE", files.value.key)

  const cert = yield* certificateFile.read
  const key = yield* keyFile.read
  const certificate = yield* certificateFile.parse(
    () => new X509Certificate(cert),
    "it holds no certificate in PEM form"
  )
  const privateKey = yield* keyFile.parse(
    () => createPrivateKey(key),
    "it holds no unencrypted private key in PEM form"
  )
  if (!certificate.checkPrivateKey(privateKey)) {
    return yield* keyFile.unusable("its key is not that of the certificate in TLS_CERT_FILE")
  }
  yield* certificateFile.parse(() => createSecureContext({ cert, key }), "TLS takes no such certificate or key")
  const options: SecureContextOptions = { cert, key, minVersion: "TLSv1.3" }
  return Option.some(Redacted.make(options))
})
