import type { OAuthEndpoints } from "@devops-mcp/domain/Connection"

/** Where well-known authorization servers are reached. */
export const presets: Readonly<Record<"github" | "gitlab", OAuthEndpoints>> = {
  // GitHub has no endpoint of RFC 7009: its own one needs the credentials of the application's owner.
  github: {
    issuer: "https://github.com/login/oauth",
    authorizationEndpoint: "https://github.com/login/oauth/authorize",
    tokenEndpoint: "https://github.com/login/oauth/access_token",
    clientAuthentication: "client_secret_post",
    issRequired: false
  },
  gitlab: {
    issuer: "https://gitlab.com",
    authorizationEndpoint: "https://gitlab.com/oauth/authorize",
    tokenEndpoint: "https://gitlab.com/oauth/token",
    revocationEndpoint: "https://gitlab.com/oauth/revoke",
    clientAuthentication: "client_secret_post",
    issRequired: false
  }
}
