import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { cleaned, pageUrl } from "../../src/normalise/Text.ts"

describe("cleaned", () => {
  it.each([
    ["https://ada:hunter2@example.org/x", "https://[redacted]@example.org/x"],
    ["clone https://ghp_0123456789abcdef0123@github.com/a/b", "clone https://[redacted]@github.com/a/b"],
    [`token ghp_${"a1".repeat(18)} leaked`, "token [redacted] leaked"],
    [`github_pat_${"a1".repeat(20)}`, "[redacted]"],
    ["AKIAIOSFODNN7EXAMPLE", "[redacted]"],
    ["signed with whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlIG9mIGtleQ==", "signed with [redacted]"],
    [`gldt-${"a1".repeat(10)} and ATATT3x${"a1".repeat(20)}`, "[redacted] and [redacted]"],
    ["post to https://hooks.slack.com/services/T000/B000/XXXX", "post to https://hooks.slack.com/services/[redacted]"],
    ["https://example.org/?a=1&access_token=abcdef&b=2", "https://example.org/?a=1&access_token=[redacted]&b=2"],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAAAA\n-----END RSA PRIVATE KEY----- end", "[redacted] end"],
    ["-----BEGIN PRIVATE KEY-----\nMIIE never ends", "[redacted]"],
    [`eyJhbGciOiJIUzI1NiJ9.${"a".repeat(20)}.${"b".repeat(20)}`, "[redacted]"],
    ["mail ada@example.org about //comments", "mail ada@example.org about //comments"],
    ["two\nlines\r\n\tand\u2028more", "two lines and more"],
    ["\u202eevil\u200b \u{e0041}tag\u0000", "evil tag"],
    ["<!-- fill in -->What changed", "What changed"],
    ["half \ud83d pair", "half \ufffd pair"]
  ])("makes %j into %j", (text, expected) => assert.strictEqual(cleaned(text, 200), expected))

  it("cuts with an ellipsis and never through a surrogate pair", () => {
    assert.strictEqual(cleaned("😀".repeat(10), 6), "😀😀…")
    assert.strictEqual(cleaned("abcdef", 6), "abcdef")
    assert.strictEqual(cleaned("abcdefg", 6), "abcde…")
  })

  it("does not let a token through that the cut would have halved", () => {
    const token = `ghp_${"a1".repeat(18)}`
    for (let before = 600; before < 720; before++) {
      assert.notInclude(cleaned(`${" ".repeat(before)}word ${token}`, 50), "ghp_a1")
    }
  })

  it.prop("is bounded, well formed, on one line and stable", [Schema.String], ([text]) => {
    const once = cleaned(text, 40)
    assert.isAtMost(once.length, 40)
    assert.isTrue(once.isWellFormed())
    assert.notMatch(once, /\p{Cc}/u)
    assert.strictEqual(cleaned(once, 40), once)
  })

  it("takes time in proportion to its limit on text made to slow it", () => {
    for (const text of ["<!--", "eyJ-", "//a", "-----BEGIN PRIVATE KEY-----", "password=", "sk-a"]) {
      assert.isAtMost(cleaned(text.repeat(1_000_000), 1500).length, 1500)
    }
  })
})

describe("pageUrl", () => {
  it.each([
    ["https://github.com/a/b", "https://github.com/a/b"],
    ["https://ada:hunter2@github.com/a", "https://github.com/a"],
    ["https://ci.example.org/run?id=7&token=abc&X-Amz-Signature=x", "https://ci.example.org/run?id=7"],
    ["https://hooks.slack.com/services/T000/B000/XXXX", "https://hooks.slack.com/services/[redacted]"],
    ["https://api.github.com/repos/a/b", undefined],
    ["https://ghe.example.org/api/v3/repos/a", undefined],
    ["javascript:alert(1)", undefined],
    ["file:///etc/passwd", undefined],
    ["not a url", undefined],
    [`https://github.com/${"a".repeat(3000)}`, undefined]
  ])("makes %s into %s", (text, expected) => assert.strictEqual(pageUrl(text), expected))
})
