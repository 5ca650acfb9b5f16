import { Schema } from "effect"

/** Format and version that a sealed text begins with. */
export const sealedFormat = "dms1"

/**
 * What is stored of a secret: `dms1.KEY-ID.WRAPPED-DATA-KEY.NONCE.CIPHERTEXT`, in base64url. Only `Secrets` makes one,
 * and repositories take nothing else, so that no plain secret can end up in a table by mistake.
 */
export const SealedText = Schema.String.check(
  Schema.isPattern(/^dms1\.[0-9a-f]{16}\.[A-Za-z0-9_-]{54}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22,}$/),
  Schema.isMaxLength(262_144)
).pipe(Schema.brand("SealedText"))
export type SealedText = typeof SealedText.Type
