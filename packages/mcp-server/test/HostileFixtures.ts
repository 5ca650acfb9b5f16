import { Effect, Schema } from "effect"
import { keyOf } from "./Fakes.ts"
import { type RawRequest, send } from "./RawHttp.ts"
import { Address } from "./TestServer.ts"

export const accept = { accept: "application/json, text/event-stream" }
export const json = { "content-type": "application/json" }
export const caller = { ...accept, ...json, authorization: `Bearer ${keyOf("viewer")}` }
export const revision = "2026-07-28"
export const modern = (method: string, more: Record<string, string> = {}) => ({
  ...caller,
  "mcp-protocol-version": revision,
  "mcp-method": method,
  ...more
})
export const meta = {
  "io.modelcontextprotocol/protocolVersion": revision,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "hostile", version: "1" }
}
export const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))
export const legacyMessage = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 7, method, params })
export const message = (method: string, params: object = {}) => legacyMessage(method, { ...params, _meta: meta })

export interface Case extends RawRequest {
  readonly path?: string
  readonly expected: readonly [status: number, code: number]
  /** Of the message that is refused. */
  readonly id?: number
}

const Failure = Schema.fromJsonString(
  Schema.Struct({
    jsonrpc: Schema.Literal("2.0"),
    id: Schema.NullOr(Schema.Finite),
    error: Schema.Struct({
      code: Schema.Int,
      message: Schema.String.check(Schema.isMinLength(1)),
      data: Schema.optionalKey(Schema.Unknown)
    })
  })
)
export const decodeFailure = Schema.decodeUnknownEffect(Failure)

export const request = ({ path = "/mcp", ...raw }: Case) =>
  Effect.flatMap(Address, ({ baseUrl }) => send(`${baseUrl}${path}`, raw))
