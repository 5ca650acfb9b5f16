import { guardedLookup, isAddressAllowed, refusalOf } from "@devops-mcp/infrastructure/OutboundAddresses"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const never = [
  "169.254.169.254",
  "::ffff:169.254.169.254",
  "::ffff:a9fe:a9fe",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "fe80::1",
  "fd00:ec2::254",
  "100.100.100.200",
  "224.0.0.1",
  "255.255.255.255",
  "ff02::1",
  "no address"
]

const notPublic = [
  "127.0.0.1",
  "127.9.9.9",
  "::1",
  "::ffff:127.0.0.1",
  "::7f00:1",
  "0.0.0.0",
  "::",
  "10.1.2.3",
  "100.64.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "fd12:3456::1",
  "64:ff9b::a00:1"
]

const open = ["140.82.121.4", "172.32.0.1", "8.8.8.8", "2606:50c0:8000::153", "64:ff9b::8c52:7904"]

describe("addresses that we call", () => {
  it("are never link-local ones nor metadata services, in any spelling", () => {
    for (const address of never) assert.isFalse(isAddressAllowed(address, true), address)
  })

  it("are private ones only when that is allowed", () => {
    for (const address of notPublic) {
      assert.isFalse(isAddressAllowed(address, false), address)
      assert.isTrue(isAddressAllowed(address, true), address)
    }
  })

  it("are all public ones", () => {
    for (const address of open) assert.isTrue(isAddressAllowed(address, false), address)
  })
})

describe("a URL", () => {
  it("of a metadata service is refused in any spelling", () => {
    for (const host of ["169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]"]) {
      assert.isDefined(refusalOf(`https://${host}/token`, true), host)
    }
  })

  it("without TLS is for this machine alone, and only when private addresses are allowed", () => {
    for (const host of ["localhost:3000", "127.0.0.1", "[::1]:8080", "as.localhost"]) {
      assert.isUndefined(refusalOf(`http://${host}/token`, true), host)
      assert.isDefined(refusalOf(`http://${host}/token`, false), host)
      assert.isDefined(refusalOf(`https://${host}/token`, false), host)
    }
    for (const host of ["github.com", "10.0.0.1", "localhost.evil.example.com"]) {
      assert.isDefined(refusalOf(`http://${host}/token`, true), host)
    }
  })

  it("is a plain one: no user, no password, no fragment, no other protocol", () => {
    assert.isUndefined(refusalOf("https://github.com/login/oauth/access_token", false))
    for (const url of ["https://u@github.com", "https://u:p@github.com", "https://github.com/#x", "file:///etc", "x"]) {
      assert.isDefined(refusalOf(url, true), url)
    }
  })
})

describe("a name", () => {
  const resolve = (allowPrivate: boolean, all: boolean) =>
    Effect.callback<unknown>((resume) => {
      guardedLookup(allowPrivate)("localhost", { all }, (error, address) => resume(Effect.succeed(error ?? address)))
    })

  it.live("that stands for a private address is refused when it is called", () =>
    Effect.gen(function* () {
      for (const all of [true, false]) {
        const refused = yield* resolve(false, all)
        assert.instanceOf(refused, Error)
        assert.propertyVal(refused, "name", "AddressRefused")
      }
      assert.match(String(yield* resolve(true, false)), /^(127\.0\.0\.1|::1)$/)
      assert.isArray(yield* resolve(true, true))
    })
  )
})
