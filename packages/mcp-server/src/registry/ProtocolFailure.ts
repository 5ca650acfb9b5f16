import { Schema } from "effect"

/** An error of the protocol itself, not of a tool: `code` is JSON-RPC's or MCP's. */
export class ProtocolFailure extends Schema.TaggedError<ProtocolFailure>()(
  "@devops-mcp/mcp-server/registry/ProtocolFailure",
  {
    code: Schema.Int,
    detail: Schema.String,
    data: Schema.optionalKey(Schema.Json)
  }
) {
  override get message() {
    return this.detail
  }
}

export const invalidParams = (detail: string) => new ProtocolFailure({ code: -32602, detail })

export const internalError = (detail: string) => new ProtocolFailure({ code: -32603, detail })

/** The client did not declare what the request needs of it, in the shape of its capabilities. */
export const missingCapability = (detail: string, requiredCapabilities: Schema.JsonObject) =>
  new ProtocolFailure({ code: -32021, detail, data: { requiredCapabilities } })
