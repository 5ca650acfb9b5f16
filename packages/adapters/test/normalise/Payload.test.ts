import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { Payload } from "../../src/normalise/Payload.ts"

const payload = new Payload({
  number: 7,
  half: 0.5,
  yes: true,
  text: " a\n b ",
  empty: "  ",
  object: { login: "ada" },
  list: [{ name: "one" }, "two", { name: 3 }],
  many: Array.from({ length: 12 }, (_, index) => `n${index}`)
})

describe("Payload", () => {
  it("reads own keys alone", () => {
    for (const name of ["__proto__", "constructor", "toString", "missing"]) {
      assert.isFalse(payload.at(name).isObject)
      assert.isUndefined(payload.line(name))
      assert.isUndefined(payload.at("list").line(name))
    }
    assert.isUndefined(payload.line("text", "length"))
    assert.isUndefined(payload.line("list", "0"))
  })

  it("gives texts on one line, and nothing for what is no text", () => {
    assert.strictEqual(payload.line("text"), "a b")
    assert.strictEqual(payload.line("number"), "7")
    assert.strictEqual(payload.login("object"), "ada")
    for (const key of ["empty", "yes", "object", "list"]) assert.isUndefined(payload.line(key))
  })

  it("gives whole numbers and true alone", () => {
    assert.strictEqual(payload.int("number"), 7)
    assert.isUndefined(payload.int("half"))
    assert.isTrue(payload.flag("yes"))
    assert.isFalse(payload.flag("number"))
  })

  it("gives identifiers as they are or not at all", () => {
    assert.strictEqual(payload.id("number"), "7")
    assert.strictEqual(payload.id("object", "login"), "ada")
    for (const key of ["half", "yes", "text", "empty", "object", "list", "missing"]) assert.isUndefined(payload.id(key))
    assert.isUndefined(new Payload({ id: "x".repeat(201) }).id("id"))
  })

  it("gives the first text of several fields", () => {
    assert.strictEqual(payload.first("missing", "empty", "list", "text", "number"), "a b")
    assert.isUndefined(payload.first("missing", "object"))
  })

  it("gives the beginning of lists and how long they are", () => {
    assert.strictEqual(payload.names(["list"], "name"), "one, 3")
    assert.strictEqual(payload.names(["many"]), "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more")
    assert.strictEqual(payload.size("many"), 12)
    assert.lengthOf(payload.list("many"), 10)
    assert.lengthOf(payload.list("object"), 0)
    assert.isUndefined(payload.names(["text"]))
  })

  it.each([
    ["2019-05-15T15:20:33Z", "2019-05-15T15:20:33.000Z"],
    ["2021-05-24T00:10:21.000-04:00", "2021-05-24T04:10:21.000Z"],
    ["2021-04-28 21:50:00 +0200", "2021-04-28T19:50:00.000Z"],
    ["2016-01-05 14:00:00 UTC", "2016-01-05T14:00:00.000Z"],
    ["2018-03-22T18:27:46.123+0000", "2018-03-22T18:27:46.123Z"],
    ["1355517523.000005", "2012-12-14T20:38:43.000Z"],
    [1525698237764, "2018-05-07T13:03:57.764Z"],
    [1557933591, "2019-05-15T15:19:51.000Z"]
  ])("reads the moment %s", (at, expected) => {
    const moment = new Payload({ at }).time("at")
    assert.isDefined(moment)
    assert.strictEqual(moment && DateTime.formatIso(moment), expected)
  })
})
