import type { OAuthProviderId, ToolId, WebhookId } from "@devops-mcp/domain/Ids"

/** What a tool's credentials are sealed for: they do not open for another tool. */
export const toolCredentials = (id: ToolId): string => `tools.credentials/${id}`

/** What a webhook's secret is sealed for. */
export const webhookSecret = (id: WebhookId): string => `webhooks.secret/${id}`

/** What the secret of our registration at a provider is sealed for. */
export const providerSecret = (id: OAuthProviderId): string => `oauth_providers.client_secret/${id}`

/** What a connection's tokens are sealed for: they do not open as anybody else's. */
export const connectionToken = (kind: "access" | "refresh", provider: string, owner: string): string =>
  `connections.${kind}_token/${provider}/${owner}`
