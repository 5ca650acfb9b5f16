import { scopesOf } from "@devops-mcp/core/Policy"
import { Scope } from "@devops-mcp/domain/Principal"
import { assert, describe, it } from "@effect/vitest"
import { extractWWWAuthenticateParams } from "@modelcontextprotocol/client"
import { Schema } from "effect"
import { insufficientScope, unauthorized } from "../src/edge/Challenges.ts"

const metadataUrl = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"

/** What the SDK's client reads from a challenge. */
const read = (headers: Readonly<Record<string, string>>) =>
  extractWWWAuthenticateParams(new Response(null, { status: 401, headers }))

/** The parameters by the grammar of RFC 9110; undefined when the header is not one challenge of that form. */
const parametersOf = (value: string) => {
  const parameter = /([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"/
  const list = `${parameter.source}(?:, ${parameter.source})*`
  if (!new RegExp(`^Bearer ${list}$`).test(value)) return undefined
  return [...value.matchAll(new RegExp(parameter, "g"))].map(([, name]) => name)
}

describe("Challenges", () => {
  it("without a credential nothing is wrong, so there is no error", () => {
    const { "www-authenticate": value } = unauthorized({ metadataUrl })
    assert.strictEqual(
      value,
      `Bearer realm="devops-mcp", scope="contexts:read knowledge:read events:read tools:read", resource_metadata="${metadataUrl}"`
    )
  })

  it("a credential that is no good is an invalid token", () => {
    const headers = unauthorized({ metadataUrl, error: "invalid_token", description: "It has expired" })
    const found = read(headers)
    assert.strictEqual(found.error, "invalid_token")
    assert.strictEqual(found.errorDescription, "It has expired")
    assert.strictEqual(found.resourceMetadataUrl?.href, metadataUrl)
    assert.strictEqual(found.scope, scopesOf("viewer").join(" "))
  })

  it.prop("a missing permission names all scopes of the operation", [Schema.NonEmptyArray(Scope)], ([scopes]) => {
    const found = read(insufficientScope({ metadataUrl, scopes }))
    assert.strictEqual(found.error, "insufficient_scope")
    assert.strictEqual(found.scope, scopes.join(" "))
    assert.strictEqual(found.resourceMetadataUrl?.href, metadataUrl)
  })

  it("says nothing of metadata whose address is not known", () => {
    assert.notInclude(unauthorized({ metadataUrl: undefined })["www-authenticate"], "resource_metadata")
  })

  it.prop(
    "no value breaks out of its parameter or its header",
    [Schema.String, Schema.String],
    ([url, description]) => {
      for (const hostile of ["", '", error="x', "\r\nset-cookie: a=b", "\\", "é\u0000"]) {
        const value = unauthorized({
          metadataUrl: `${url}${hostile}`,
          error: "invalid_token",
          description: `${hostile}${description}`
        })["www-authenticate"]
        assert.deepStrictEqual(parametersOf(value), [
          "realm",
          "error",
          "error_description",
          "scope",
          "resource_metadata"
        ])
      }
    }
  )
})
