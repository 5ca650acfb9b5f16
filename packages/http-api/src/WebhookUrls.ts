import type { Webhook } from "@devops-mcp/domain/Webhook"
import { Effect } from "effect"
import { makePublicAddress } from "./PublicAddress.ts"

/** Gives webhooks the address that tools post to. */
export const makeWithUrl = Effect.map(
  makePublicAddress,
  ({ address }) =>
    (webhook: Webhook) =>
      Effect.map(address, (base) => ({ ...webhook, url: `${base}/webhooks/${webhook.id}` }))
)
