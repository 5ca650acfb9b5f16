import type { RequestId } from "@modelcontextprotocol/server"
import { Schema } from "effect"
import { HttpServerResponse } from "effect/http"

/** A request is refused before any handler sees it, as the specification shapes it: a status and a JSON-RPC error. */
export class Refusal extends Schema.TaggedError<Refusal>()("@devops-mcp/mcp-server/http/Refusal", {
  status: Schema.Int,
  code: Schema.Int,
  detail: Schema.String,
  data: Schema.optionalKey(Schema.Unknown),
  id: Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])),
  headers: Schema.Record(Schema.String, Schema.String)
}) {
  override get message() {
    return this.detail
  }
}

interface RefusalOptions {
  /** JSON-RPC's or MCP's; -32000 when there is none for the case. */
  readonly code?: number
  readonly data?: unknown
  /** Of the request that is refused, once it is known. */
  readonly id?: RequestId | null
  readonly headers?: Readonly<Record<string, string>>
}

export const refuse = (
  status: number,
  detail: string,
  { code = -32000, data, headers = {}, id = null }: RefusalOptions = {}
): Refusal => new Refusal({ status, code, detail, id, headers, ...(data === undefined ? {} : { data }) })

export const refusalResponse = ({ code, data, detail, headers, id, status }: Refusal) =>
  HttpServerResponse.jsonUnsafe(
    { jsonrpc: "2.0", id, error: { code, message: detail, ...(data === undefined ? {} : { data }) } },
    { status, headers }
  )
