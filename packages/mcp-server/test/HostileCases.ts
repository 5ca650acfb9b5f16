import {
  accept,
  caller,
  type Case,
  encodeJson,
  json,
  legacyMessage,
  message,
  meta,
  modern,
  revision
} from "./HostileFixtures.ts"
import { bodyLimit } from "./TestServer.ts"

const session = "0192f0c1-0000-7000-8000-0000000000ff"

export const list = encodeJson(message("tools/list"))
const call = (name: string) => encodeJson(message("tools/call", { name, arguments: {} }))
const body = (value: unknown) => ({ headers: caller, body: encodeJson(value) })

export const unknownVersion: Case = {
  headers: { ...modern("tools/list"), "mcp-protocol-version": "2099-01-01" },
  body: encodeJson(
    legacyMessage("tools/list", { _meta: { ...meta, "io.modelcontextprotocol/protocolVersion": "2099-01-01" } })
  ),
  id: 7,
  expected: [400, -32022]
}

/** What is refused, and how. */
export const cases: Readonly<Record<string, Case>> = {
  "malformed JSON": { headers: caller, body: '{"jsonrpc":', expected: [400, -32700] },
  "an empty body": { headers: caller, body: "", expected: [400, -32700] },
  "control characters": { headers: caller, body: "\u0000\uFFFF", expected: [400, -32700] },
  "a string": { ...body("hello"), expected: [400, -32600] },
  null: { ...body(null), expected: [400, -32600] },
  "an object that is no message": { ...body({ hello: "world" }), expected: [400, -32600] },
  "another version of JSON-RPC": { ...body({ jsonrpc: "1.0", id: 7, method: "ping" }), id: 7, expected: [400, -32600] },
  "an id that is an object": { ...body({ jsonrpc: "2.0", id: {}, method: "ping" }), expected: [400, -32600] },
  "an empty batch": { ...body([]), expected: [400, -32600] },
  "a batch with what is no message": { ...body([legacyMessage("ping"), 1]), expected: [400, -32600] },
  "a batch of batches": { ...body([[legacyMessage("ping")]]), expected: [400, -32600] },
  "a batch of both eras": { ...body([legacyMessage("ping"), message("tools/list")]), expected: [400, -32600] },
  "a batch of one id": { ...body([legacyMessage("ping"), legacyMessage("ping")]), expected: [400, -32600] },
  "a batch too long": { ...body(Array.from({ length: 101 }, () => 1)), expected: [400, -32600] },
  "a batch with initialize": { ...body([legacyMessage("initialize")]), expected: [400, -32600] },
  "a batch of a revision without": {
    headers: { ...caller, "mcp-protocol-version": "2025-06-18" },
    body: encodeJson([legacyMessage("ping")]),
    expected: [400, -32600]
  },
  "no Mcp-Method": {
    headers: { ...caller, "mcp-protocol-version": revision },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "no MCP-Protocol-Version": {
    headers: { ...caller, "mcp-method": "tools/list" },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "another Mcp-Method": { headers: modern("tools/call"), body: list, id: 7, expected: [400, -32020] },
  "another MCP-Protocol-Version": {
    headers: { ...modern("tools/list"), "mcp-protocol-version": "2025-11-25" },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "no Mcp-Name": { headers: modern("tools/call"), body: call("context_get"), id: 7, expected: [400, -32020] },
  "another Mcp-Name": {
    headers: modern("tools/call", { "mcp-name": "context_list" }),
    body: call("context_get"),
    id: 7,
    expected: [400, -32020]
  },
  "an Mcp-Name of broken Base64": {
    headers: modern("tools/call", { "mcp-name": "=?base64?%%%?=" }),
    body: call("context_get"),
    id: 7,
    expected: [400, -32020]
  },
  "no _meta": {
    headers: modern("tools/list"),
    body: encodeJson(legacyMessage("tools/list")),
    id: 7,
    expected: [400, -32602]
  },
  "an unknown version": unknownVersion,
  "an unknown older version": {
    headers: { ...caller, "mcp-protocol-version": "1999-01-01" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [400, -32000]
  },
  "an unknown method": {
    headers: modern("no/such"),
    body: encodeJson(message("no/such")),
    id: 7,
    expected: [404, -32601]
  },
  "initialize since 2026-07-28": {
    headers: modern("initialize"),
    body: encodeJson(message("initialize")),
    id: 7,
    expected: [404, -32601]
  },
  "params of another type": {
    headers: caller,
    body: encodeJson(legacyMessage("resources/subscribe", { uri: 3 })),
    id: 7,
    expected: [200, -32602]
  },
  "params of another type since 2026-07-28": {
    headers: modern("completion/complete"),
    body: encodeJson(message("completion/complete")),
    id: 7,
    expected: [200, -32602]
  },
  "another content type": { headers: { ...caller, "content-type": "text/plain" }, body: list, expected: [415, -32000] },
  "no content type": {
    headers: { ...accept, authorization: caller.authorization },
    body: list,
    expected: [415, -32000]
  },
  "no Accept": {
    headers: { ...json, authorization: caller.authorization },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [406, -32000]
  },
  "an Accept without event streams": {
    headers: { ...caller, accept: "application/json" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [406, -32000]
  },
  "a large body": { headers: caller, body: "x".repeat(bodyLimit + 1), expected: [413, -32000] },
  "a large body in pieces": {
    headers: caller,
    body: Array.from({ length: 30 }, () => "x".repeat(100)),
    expected: [413, -32000]
  },
  "a large body that never ends": {
    headers: caller,
    body: ["x".repeat(bodyLimit + 1)],
    unfinished: true,
    expected: [413, -32000]
  },
  "deep nesting": { headers: caller, body: "[".repeat(900) + "]".repeat(900), expected: [400, -32000] },
  "another site's Origin": {
    headers: { ...caller, origin: "https://evil.example.com" },
    body: list,
    expected: [403, -32000]
  },
  "an Origin that is none": { headers: { ...caller, origin: "null" }, body: list, expected: [403, -32000] },
  "another Host": { headers: { ...caller, host: "evil.example.com" }, body: list, expected: [403, -32000] },
  "a Host that is none": { headers: { ...caller, host: "local host:@" }, body: list, expected: [403, -32000] },
  "no credential": { headers: { ...accept, ...json }, body: list, expected: [401, -32000] },
  "an unknown credential": {
    headers: { ...caller, authorization: "Bearer dmk_no" },
    body: list,
    expected: [401, -32000]
  },
  "an Authorization that is none": {
    headers: { ...caller, authorization: "Basic ===" },
    body: list,
    expected: [401, -32000]
  },
  "an unknown session": {
    headers: { ...caller, "mcp-session-id": session },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [404, -32001]
  },
  "a session id that is none": {
    headers: { ...caller, "mcp-session-id": "'; drop table mcp_sessions; --" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [404, -32001]
  },
  "GET without a session": { method: "GET", headers: caller, expected: [400, -32000] },
  "GET of an unknown session": {
    method: "GET",
    headers: { ...caller, "mcp-session-id": session },
    expected: [404, -32001]
  },
  "DELETE of an unknown session": {
    method: "DELETE",
    headers: { ...caller, "mcp-session-id": session },
    expected: [404, -32001]
  },
  "an unknown toolset": { path: "/mcp/x/nothing", headers: caller, body: list, expected: [404, -32000] },
  PUT: { method: "PUT", headers: caller, body: list, expected: [405, -32000] },
  PATCH: { method: "PATCH", headers: caller, body: list, expected: [405, -32000] },
  "GET since 2026-07-28": { method: "GET", headers: modern("tools/list"), expected: [405, -32000] },
  "DELETE since 2026-07-28": { method: "DELETE", headers: modern("tools/list"), expected: [405, -32000] }
}
