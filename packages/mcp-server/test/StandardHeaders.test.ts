import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Base64 } from "effect/encoding"
import { paramMismatch, standardMismatch } from "../src/http/StandardHeaders.ts"

const call = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call" }

/** Lone surrogates have no UTF-8. */
const wellFormed = Schema.String.check(Schema.makeFilter((text: string) => text.isWellFormed()))

const encoded = (value: string) => `=?base64?${Base64.encode(value)}?=`

describe("the headers of a request since 2026-07-28", () => {
  it("must be there", () => {
    const params = { name: "git_log" }
    assert.isDefined(standardMismatch({}, "tools/call", params))
    assert.isDefined(standardMismatch({ "mcp-protocol-version": "2026-07-28" }, "tools/list", undefined))
    assert.isDefined(standardMismatch(call, "tools/call", params))
    assert.isUndefined(standardMismatch({ ...call, "mcp-name": "git_log" }, "tools/call", params))
    assert.isUndefined(standardMismatch(call, "tools/list", undefined))
  })

  it("name what the body names, in either spelling", () => {
    const names = ["git_log", " git_log\t", encoded("git_log")]
    for (const name of names) {
      assert.isUndefined(standardMismatch({ ...call, "mcp-name": name }, "tools/call", { name: "git_log" }), name)
      assert.isDefined(standardMismatch({ ...call, "mcp-name": name }, "tools/call", { name: "git_show" }), name)
    }
    const broken = ["=?base64?%%?=", "=?base64?Z2l0X2xvZw?=", `=?base64?${Base64.encode(new Uint8Array([0xff]))}?=`]
    for (const name of broken) {
      assert.isDefined(standardMismatch({ ...call, "mcp-name": name }, "tools/call", { name: "git_log" }), name)
    }
  })

  it("name a task or a resource where the method is about one", () => {
    const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tasks/get", "mcp-name": "a" }
    assert.isUndefined(standardMismatch(headers, "tasks/get", { taskId: "a" }))
    assert.isDefined(standardMismatch(headers, "tasks/get", { taskId: "b" }))
    assert.isDefined(standardMismatch(headers, "resources/read", { uri: "context://b" }))
  })
})

describe("the headers of a tool's arguments", () => {
  const declared = [
    { name: "Region", path: ["region"] },
    { name: "Depth", path: ["options", "depth"] }
  ]

  it("repeat the arguments that are there", () => {
    const input = { region: "eu-west-1", options: { depth: 3 } }
    assert.isUndefined(paramMismatch({ "mcp-param-region": "eu-west-1", "mcp-param-depth": "3" }, declared, input))
    assert.isUndefined(paramMismatch({ "mcp-param-region": "eu-west-1", "mcp-param-depth": "3.0" }, declared, input))
    assert.isDefined(paramMismatch({ "mcp-param-region": "eu-west-1" }, declared, input))
    assert.isDefined(paramMismatch({ "mcp-param-region": "eu-west-2", "mcp-param-depth": "3" }, declared, input))
    assert.isDefined(paramMismatch({ "mcp-param-region": "eu-west-1", "mcp-param-depth": "0x3" }, declared, input))
  })

  it("are not asked for when an argument is absent or null", () => {
    assert.isUndefined(paramMismatch({}, declared, {}))
    assert.isUndefined(paramMismatch({ "mcp-param-region": "left over" }, declared, { region: null, options: 1 }))
  })

  it.prop("carry any text", { value: wellFormed }, ({ value }) => {
    const header = { "mcp-param-region": encoded(value) }
    assert.isUndefined(paramMismatch(header, declared, { region: value }))
    assert.isDefined(paramMismatch(header, declared, { region: `${value}.` }))
  })
})
