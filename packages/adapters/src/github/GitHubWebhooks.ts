import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { InvalidInput, Unauthenticated } from "@devops-mcp/domain/Errors"
import { verify as verifySignature } from "@octokit/webhooks-methods"
import { Effect, Redacted } from "effect"
import { normalise } from "./normalise/Normalise.ts"

const signatureShape = /^sha256=[0-9a-f]{64}$/
const deliveryIdShape = /^[\x21-\x7e]{1,200}$/
const eventNameShape = /^[a-z0-9_]{1,100}$/

const refused = () => new Unauthenticated({ detail: "The delivery is not signed with this webhook's secret" })

const verify = Effect.fn("GitHubWebhooks.verify")(function* (options: {
  readonly secret: Redacted.Redacted
  readonly headers: WebhookHeaders
  readonly body: string
}) {
  const signature = options.headers["x-hub-signature-256"]
  if (signature === undefined || !signatureShape.test(signature)) return yield* refused()
  const signed = yield* Effect.tryPromise({
    try: () => verifySignature(Redacted.value(options.secret), options.body, signature),
    catch: refused
  })
  if (!signed) return yield* refused()
})

const header = Effect.fnUntraced(function* (headers: WebhookHeaders, name: string, shape: RegExp, expected: string) {
  const value = headers[name]
  if (value !== undefined && shape.test(value)) return value
  return yield* new InvalidInput({
    pointer: `/headers/${name}`,
    detail: `Expected the header ${name} to be ${expected}`
  })
})

const identify = Effect.fn("GitHubWebhooks.identify")(function* (headers: WebhookHeaders) {
  return {
    externalId: yield* header(headers, "x-github-delivery", deliveryIdShape, "1 to 200 printable characters"),
    eventType: yield* header(headers, "x-github-event", eventNameShape, "1 to 100 characters of a-z, 0-9 and _")
  }
})

/** GitHub, github.com and Enterprise Server: signed with SHA-256, named by headers, described in `normalise/`. */
export const GitHubWebhooks: WebhookAdapter = { source: "github", verify, identify, normalise }
