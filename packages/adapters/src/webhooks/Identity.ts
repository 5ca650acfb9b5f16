import type { WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { InvalidInput } from "@devops-mcp/domain/Errors"
import { Effect } from "effect"
import { Digest } from "effect/crypto"
import { cleaned } from "../normalise/Text.ts"
import { bytesOf } from "./Signatures.ts"

const idShape = /^[\x21-\x7e]{1,200}$/
const groupLimit = 128
const unprintable = /[^\x21-\x7e]+/g

/** A header that must be there and have this shape. */
export const requiredHeader = Effect.fnUntraced(function* (
  headers: WebhookHeaders,
  name: string,
  shape: RegExp,
  expected: string
) {
  const value = headers[name]
  if (value !== undefined && shape.test(value)) return value
  return yield* new InvalidInput({
    pointer: `/headers/${name}`,
    detail: `Expected the header ${name} to be ${expected}`
  })
})

/** The delivery's id from a header that must be there. */
export const requiredId = (headers: WebhookHeaders, name: string) =>
  requiredHeader(headers, name, idShape, "1 to 200 printable characters")

/** The delivery's id from the first of the headers that is there. */
export const idFrom = (headers: WebhookHeaders, ...names: ReadonlyArray<string>) => {
  const name = names.find((one) => headers[one] !== undefined)
  return name === undefined ? Effect.undefined : requiredId(headers, name)
}

/** Names a delivery after its body, for senders that give it no name of their own. */
export const makeIdOfBody = Effect.map(
  Digest.Digest,
  (digests) => (body: string) =>
    Effect.map(Effect.orDie(digests.digestHex(Digest.sha256, bytesOf(body))), (hash) => `sha256:${hash}`)
)

/** What an event is called, bounded; "unknown" when the sender does not say. */
export const eventTypeOf = (name: string | undefined) => cleaned(name ?? "", 100) || "unknown"

/**
 * The group of these names, the larger first, if there is one. Two long names may share a group: then their events are
 * in one order too, which does no harm.
 */
export const groupOf = (...names: ReadonlyArray<string | undefined>): { readonly group?: string } => {
  const known = names.filter((name) => name !== undefined)
  const group = known.join("/").replace(unprintable, "_").slice(0, groupLimit)
  return group === "" ? {} : { group }
}
