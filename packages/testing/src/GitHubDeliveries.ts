import octokitExamples from "@octokit/webhooks-examples" with { type: "json" }
import { sign } from "@octokit/webhooks-methods"
import { Effect, Schema } from "effect"

const Examples = Schema.Array(Schema.Struct({ name: Schema.String, examples: Schema.Array(Schema.Json) }))

/** A delivery as GitHub would send it. */
export interface GitHubDelivery {
  readonly id: string
  readonly type: string
  readonly body: string
}

/** Every payload that GitHub publishes, each with a delivery id of its own. */
export const gitHubDeliveries: ReadonlyArray<GitHubDelivery> = Schema.decodeUnknownSync(Examples)(
  octokitExamples
).flatMap(({ examples, name }) =>
  examples.map((payload, index) => ({ id: `${name}-${index}`, type: name, body: JSON.stringify(payload) }))
)

const decodeBody = Schema.decodeUnknownSync(
  Schema.Struct({ deliveryId: Schema.optionalKey(Schema.String), status: Schema.optionalKey(Schema.Unknown) })
)

/** Posts a delivery, signed with the secret; fails when the server goes away. */
export const postDelivery = (url: string, secret: string, { body, id, type }: GitHubDelivery) =>
  Effect.tryPromise(async () => {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "x-github-event": type,
        "x-github-delivery": id,
        "x-hub-signature-256": await sign(secret, body)
      }
    })
    const { deliveryId, status } = decodeBody(await response.json())
    return { status: response.status, deliveryId, outcome: status }
  })
