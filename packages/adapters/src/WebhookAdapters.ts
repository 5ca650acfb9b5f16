import { WebhookAdapters } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, Layer } from "effect"
import { makeBitbucketWebhooks } from "./bitbucket/BitbucketWebhooks.ts"
import { makeGenericWebhooks } from "./generic/GenericWebhooks.ts"
import { makeGitHubWebhooks } from "./github/GitHubWebhooks.ts"
import { makeGitLabWebhooks } from "./gitlab/GitLabWebhooks.ts"
import { makeJiraWebhooks } from "./jira/JiraWebhooks.ts"
import { makePagerDutyWebhooks } from "./pagerduty/PagerDutyWebhooks.ts"
import { makeSlackWebhooks } from "./slack/SlackWebhooks.ts"

/** Every sender of webhooks this deployment understands. */
export const WebhookAdaptersLive = Layer.effect(
  WebhookAdapters,
  Effect.map(
    Effect.all([
      makeGitHubWebhooks,
      makeGitLabWebhooks,
      makeJiraWebhooks,
      makeBitbucketWebhooks,
      makeSlackWebhooks,
      makePagerDutyWebhooks,
      makeGenericWebhooks
    ]),
    (adapters) => new Map(adapters.map((adapter) => [adapter.source, adapter]))
  )
)
