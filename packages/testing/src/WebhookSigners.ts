import type { WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Clock, Effect, Redacted } from "effect"
import { createHmac } from "node:crypto"

/** Makes the headers by which a sender proves itself, with Node's own HMAC and by the clock of the test. */
export type Sign = (secret: Redacted.Redacted, body: string) => Effect.Effect<WebhookHeaders>

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text)

const hexOf = (secret: Redacted.Redacted, text: string) => hmac(Redacted.value(secret), text).digest("hex")

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => String(Math.floor(millis / 1000)))

/** `sha256=HEX` of the body in a header. */
export const signSha256 =
  (header: string): Sign =>
  (secret, body) =>
    Effect.sync(() => ({ [header]: `sha256=${hexOf(secret, body)}` }))

export const signSlack: Sign = (secret, body) =>
  Effect.map(seconds, (timestamp) => ({
    "x-slack-request-timestamp": timestamp,
    "x-slack-signature": `v0=${hexOf(secret, `v0:${timestamp}:${body}`)}`
  }))

export const signPagerDuty: Sign = (secret, body) =>
  Effect.sync(() => ({ "x-pagerduty-signature": `v1=${hexOf(secret, body)}` }))

/** GitLab's secret token, which comes as it is. */
export const sendGitLabToken: Sign = (secret) => Effect.sync(() => ({ "x-gitlab-token": Redacted.value(secret) }))

/** GitLab's signing token, `whsec_` and the key in Base64. */
export const signGitLab: Sign = (secret, body) =>
  Effect.map(seconds, (timestamp) => {
    const key = Buffer.from(Redacted.value(secret).slice("whsec_".length), "base64")
    const id = "f8f3d7e0-6f6d-4a5f-9d35-1a9f6a1c1b11"
    return {
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${hmac(key, `${id}.${timestamp}.${body}`).digest("base64")}`
    }
  })
