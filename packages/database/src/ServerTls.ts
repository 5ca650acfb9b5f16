import { Effect, FileSystem, Schema } from "effect"
import type { ConnectionOptions } from "node:tls"

/** The file that `sslrootcert` names cannot be read. */
export class RootCertificateUnusable extends Schema.TaggedError<RootCertificateUnusable>()(
  "@devops-mcp/database/ServerTls/RootCertificateUnusable",
  { path: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `the file of sslrootcert, ${this.path}, cannot be read: ${this.detail}`
  }
}

const verified: ReadonlySet<string> = new Set(["require", "verify-ca", "verify-full"])

/**
 * TLS as a database's URL asks for it beyond what the driver reads there: `sslrootcert`, a file of trusted authorities
 * or `system`, and `verify-ca`, which does not look at the host's name. Whoever asks for TLS gets a verified server,
 * with `sslmode=require` too. Undefined: the driver's own reading is enough.
 */
export const serverTls = Effect.fnUntraced(function* (url: string) {
  const parameters = URL.parse(url)?.searchParams
  const mode = parameters?.get("sslmode") ?? ""
  const path = parameters?.get("sslrootcert") ?? "system"
  if (!verified.has(mode) || (path === "system" && mode !== "verify-ca")) return
  const fs = yield* FileSystem.FileSystem
  const authorities =
    path === "system"
      ? {}
      : {
          ca: yield* fs
            .readFileString(path)
            .pipe(Effect.mapError(({ reason }) => new RootCertificateUnusable({ path, detail: reason._tag })))
        }
  const anyName = mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}
  const options: ConnectionOptions = { ...authorities, ...anyName }
  return options
})
