import { Effect, Layer } from "effect"
import { Digest } from "effect/crypto"
import { hash } from "node:crypto"

const names = { MD5: "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512" } as const

/** Digests of Node in one step: of each request's credential there is one, and to make a hash object takes longer. */
export const QuickDigestLive = Layer.succeed(Digest.Digest, {
  // A copy, for the buffer may be a view of a shared one.
  digest: ({ name }, data) => Effect.sync(() => new Uint8Array(hash(names[name], data, "buffer"))),
  digestHex: ({ name }, data) => Effect.sync(() => hash(names[name], data, "hex"))
})
