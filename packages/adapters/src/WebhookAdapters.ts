import { WebhookAdapters } from "@devops-mcp/core/ports/WebhookAdapter"
import { Layer } from "effect"
import { GitHubWebhooks } from "./github/GitHubWebhooks.ts"

/** Every sender of webhooks this deployment understands. */
export const WebhookAdaptersLive: Layer.Layer<WebhookAdapters> = Layer.succeed(
  WebhookAdapters,
  new Map([GitHubWebhooks].map((adapter) => [adapter.source, adapter]))
)
