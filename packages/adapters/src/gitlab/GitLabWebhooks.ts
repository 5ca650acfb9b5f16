import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, Redacted, Result, type Schema } from "effect"
import { Base64 } from "effect/encoding"
import { Payload } from "../normalise/Payload.ts"
import { eventTypeOf, groupOf, idFrom, makeIdOfBody } from "../webhooks/Identity.ts"
import { makeRequireSigned, refused, requireFresh, sameText, timestampHeader } from "../webhooks/Signatures.ts"
import { normalise, repositoryOf } from "./normalise/Normalise.ts"

const signingToken = "whsec_"

/** "Merge Request Hook" as `merge_request`, for payloads that do not name their kind. */
const kindOf = (header: string | undefined) =>
  header
    ?.toLowerCase()
    .replace(/ hook$/, "")
    .replaceAll(" ", "_")

/**
 * GitLab, gitlab.com and self-managed. A signing token (`whsec_…`) signs id, time and body by the Standard Webhooks; a
 * secret token comes along as it is and proves the sender alone. What is signed must be signed well: the token does not
 * save it.
 */
export const makeGitLabWebhooks = Effect.gen(function* () {
  const requireSigned = yield* makeRequireSigned
  const idOfBody = yield* makeIdOfBody

  const verifySignature = Effect.fnUntraced(function* (
    key: Uint8Array,
    headers: WebhookHeaders,
    signature: string,
    body: string
  ) {
    const id = headers["webhook-id"]
    if (id === undefined) return yield* refused()
    const timestamp = yield* timestampHeader(headers, "webhook-timestamp")
    yield* requireSigned({
      key,
      text: `${id}.${timestamp}.${body}`,
      signatures: signature.split(" "),
      encode: (tag) => `v1,${Base64.encode(tag)}`
    })
    yield* requireFresh(timestamp)
  })

  const verify: WebhookAdapter["verify"] = Effect.fn("GitLabWebhooks.verify")(function* ({ body, headers, secret }) {
    const plain = Redacted.value(secret)
    const signature = headers["webhook-signature"]
    const key = plain.startsWith(signingToken) ? Base64.decode(plain.slice(signingToken.length)) : undefined
    if (signature !== undefined && key !== undefined && Result.isSuccess(key)) {
      return yield* verifySignature(key.success, headers, signature, body)
    }
    const token = headers["x-gitlab-token"]
    if (plain === "" || token === undefined || !sameText(token, plain)) return yield* refused()
  })

  /** `X-Gitlab-Event-UUID` is no name for a delivery: events that hooks set off among each other share it. */
  const identify = Effect.fn("GitLabWebhooks.identify")(function* (
    headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    const payload = new Payload(json)
    return {
      externalId: (yield* idFrom(headers, "idempotency-key", "webhook-id")) ?? (yield* idOfBody(body)),
      eventType: eventTypeOf(payload.first("object_kind", "event_name") ?? kindOf(headers["x-gitlab-event"])),
      ...groupOf(repositoryOf(payload) ?? payload.line("group", "full_path") ?? payload.line("full_path"))
    }
  })

  const adapter: WebhookAdapter = { source: "gitlab", verify, identify, normalise }
  return adapter
})
