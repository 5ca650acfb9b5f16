import { assert, describe, it } from "@effect/vitest"
import * as Shared from "../../src/embedded/SharedSession.ts"

describe("subscriptionOf", () => {
  it.each([
    ["LISTEN jobs", { kind: "listen", channel: "jobs" }],
    ["  listen Jobs;", { kind: "listen", channel: "jobs" }],
    [`LISTEN "Odd ""name"""`, { kind: "listen", channel: `Odd "name"` }],
    ["-- why\n/* what */ UNLISTEN jobs", { kind: "unlisten", channel: "jobs" }],
    ["UNLISTEN *", { kind: "unlistenAll" }],
    ["SELECT 'LISTEN jobs'", undefined]
  ])("%s", (sql, expected) => {
    assert.deepStrictEqual<unknown>(Shared.subscriptionOf(sql), expected)
  })
})

describe("isCopyIn", () => {
  it.each([
    ["COPY t FROM STDIN", true],
    ["copy t (a, b)\nfrom stdin with (format csv)", true],
    ["/* x */ COPY t FROM STDIN", true],
    ["COPY t TO STDOUT", false],
    ["SELECT 'copy t from stdin'", false]
  ])("%s", (sql, expected) => {
    assert.strictEqual(Shared.isCopyIn(sql), expected)
  })
})
