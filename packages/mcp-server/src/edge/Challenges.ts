import { scopesOf } from "@devops-mcp/core/Policy"
import type { Scope } from "@devops-mcp/domain/Principal"

/** What a caller needs to do anything useful here; more is asked for when an operation needs it. */
const baseScopes = scopesOf("viewer")

/** Only what RFC 6750 allows between the quotes, so that no value ends its parameter or its header. */
const quoted = (value: string) => `"${value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "")}"`

const bearer = (parameters: Readonly<Record<string, string | undefined>>) => {
  const given = Object.entries({ realm: "devops-mcp", ...parameters }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quoted(value)}`]
  )
  return { "www-authenticate": `Bearer ${given.join(", ")}` }
}

/** Where the protected resource's metadata are; unknown only when the request does not say which host it is for. */
interface Located {
  readonly metadataUrl: string | undefined
}

/** The headers of a 401. Without an `error` when there was no credential at all: nothing was wrong with it. */
export const unauthorized = ({
  description,
  error,
  metadataUrl
}: Located & { readonly error?: "invalid_token"; readonly description?: string }) =>
  bearer({
    error,
    error_description: description,
    scope: baseScopes.join(" "),
    resource_metadata: metadataUrl
  })

/** The headers of a 403. Names every scope that the operation needs, so that the client asks for all of them at once. */
export const insufficientScope = ({ metadataUrl, scopes }: Located & { readonly scopes: ReadonlyArray<Scope> }) =>
  bearer({
    error: "insufficient_scope",
    error_description: "The token does not have the scopes that this operation needs",
    scope: scopes.join(" "),
    resource_metadata: metadataUrl
  })
