import { Option, Redacted } from "effect"

/**
 * The credential of an HTTP request: `Authorization: Bearer TOKEN`, else `X-API-Key: TOKEN`. Header names come in lower
 * case. The same for the HTTP API and for MCP.
 */
export const credentialOf = (
  headers: Readonly<Record<string, string | undefined>>
): Option.Option<Redacted.Redacted> => {
  const bearer = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(headers["authorization"] ?? "")?.[1]
  return Option.map(Option.fromUndefinedOr(bearer ?? headers["x-api-key"]), Redacted.make)
}
