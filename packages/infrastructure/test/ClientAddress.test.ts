import { ClientAddress } from "@devops-mcp/observability/RequestContext"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { IpNetwork } from "effect/net"
import { TestClock } from "effect/testing"
import { clientOf } from "../src/ClientAddress.ts"
import { serve } from "../src/HttpServer.ts"
import { trustedProxies } from "../src/Settings.ts"

const proxies = ["10.0.0.0/8", "192.168.1.1/32", "2001:db8::/32"].map(IpNetwork.fromStringUnsafe)

interface Case {
  readonly what: string
  readonly peer: string | undefined
  readonly forwarded?: string
  readonly proto?: string
  readonly address: string
  readonly secure?: boolean
}

const cases: ReadonlyArray<Case> = [
  { what: "a client without a proxy", peer: "203.0.113.7", address: "203.0.113.7" },
  { what: "an IPv4 client on an IPv6 socket", peer: "::ffff:203.0.113.7", address: "203.0.113.7" },
  { what: "a client that makes up its address", peer: "203.0.113.7", forwarded: "6.6.6.6", address: "203.0.113.7" },
  {
    what: "a client that makes up TLS",
    peer: "203.0.113.7",
    forwarded: "6.6.6.6",
    proto: "https",
    address: "203.0.113.7"
  },
  { what: "a client that claims to be a proxy", peer: "203.0.113.7", forwarded: "10.0.0.1", address: "203.0.113.7" },
  { what: "a client of a proxy", peer: "10.0.0.1", forwarded: "203.0.113.7", address: "203.0.113.7" },
  {
    what: "a client of a proxy that makes up more",
    peer: "10.0.0.1",
    forwarded: "6.6.6.6, 203.0.113.7",
    address: "203.0.113.7"
  },
  {
    what: "a client that makes up a proxy",
    peer: "10.0.0.1",
    forwarded: "6.6.6.6, 10.9.9.9, 203.0.113.7",
    address: "203.0.113.7"
  },
  { what: "a client of two proxies", peer: "10.0.0.1", forwarded: "203.0.113.7, 192.168.1.1", address: "203.0.113.7" },
  { what: "a client within the trusted network", peer: "10.0.0.1", forwarded: "10.1.1.1", address: "10.1.1.1" },
  { what: "a proxy that says nothing", peer: "10.0.0.1", address: "10.0.0.1" },
  { what: "an entry that is no address", peer: "10.0.0.1", forwarded: "203.0.113.7, unknown", address: "10.0.0.1" },
  { what: "an empty entry", peer: "10.0.0.1", forwarded: "", address: "10.0.0.1" },
  { what: "an address with a port", peer: "10.0.0.1", forwarded: "203.0.113.7:4711", address: "203.0.113.7" },
  { what: "an IPv6 address with a port", peer: "10.0.0.1", forwarded: "[2001:470::7]:4711", address: "2001:470::7" },
  { what: "an IPv6 proxy", peer: "2001:db8::1", forwarded: "2001:470::7", address: "2001:470::7" },
  { what: "a mapped proxy", peer: "::ffff:10.0.0.1", forwarded: "::ffff:203.0.113.7", address: "203.0.113.7" },
  {
    what: "TLS up to a proxy",
    peer: "10.0.0.1",
    forwarded: "203.0.113.7",
    proto: "https",
    address: "203.0.113.7",
    secure: true
  },
  {
    what: "TLS in capitals",
    peer: "10.0.0.1",
    forwarded: "203.0.113.7",
    proto: "HTTPS",
    address: "203.0.113.7",
    secure: true
  },
  { what: "no TLS up to a proxy", peer: "10.0.0.1", forwarded: "203.0.113.7", proto: "http", address: "203.0.113.7" },
  {
    what: "TLS up to the first of two proxies",
    peer: "10.0.0.1",
    forwarded: "203.0.113.7, 10.0.0.2",
    proto: "https, http",
    address: "203.0.113.7",
    secure: true
  },
  {
    what: "TLS made up before a proxy",
    peer: "10.0.0.1",
    forwarded: "6.6.6.6, 203.0.113.7",
    proto: "https, http",
    address: "203.0.113.7"
  },
  { what: "a connection without an address", peer: undefined, forwarded: "203.0.113.7", address: "unknown" }
]

describe("the client of a request", () => {
  it.each(cases)("is right for $what", ({ address, forwarded, peer, proto, secure = false }) => {
    const headers = { "x-forwarded-for": forwarded, "x-forwarded-proto": proto, "x-forwarded-host": "evil.example.com" }
    assert.containSubset(clientOf(peer, headers, proxies), { address, secure })
  })

  it("is believed of nobody when no proxy is trusted", () => {
    const headers = { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https" }
    assert.containSubset(clientOf("127.0.0.1", headers, []), { address: "127.0.0.1", secure: false, loopback: true })
  })

  it("is counted with all addresses of its IPv6 network", () => {
    assert.strictEqual(
      clientOf("2001:470:1:2:aaaa::1", {}, []).network,
      clientOf("2001:470:1:2:bbbb::2", {}, []).network
    )
    assert.notStrictEqual(clientOf("2001:470:1:2::1", {}, []).network, clientOf("2001:470:1:3::1", {}, []).network)
    assert.strictEqual(clientOf("203.0.113.7", {}, []).network, "203.0.113.7")
  })
})

describe("TRUSTED_PROXIES", () => {
  const read = (value: string) =>
    Effect.provide(trustedProxies, ConfigProvider.layer(ConfigProvider.fromUnknown({ TRUSTED_PROXIES: value })))

  it.effect("takes addresses and networks", () =>
    Effect.gen(function* () {
      const networks = yield* read("10.0.0.0/8, 192.168.1.1,2001:db8::/32,")
      assert.deepStrictEqual(networks.map(IpNetwork.format), ["10.0.0.0/8", "192.168.1.1/32", "2001:db8::/32"])
    })
  )

  it.effect.each(["proxy.example.com", "10.0.0.0/33", "*", "10.0.0.1/8"])("refuses %s, by name", (value) =>
    Effect.gen(function* () {
      assert.include((yield* Effect.flip(read(value))).message, "TRUSTED_PROXIES")
    })
  )
})

const routes = Layer.mergeAll(
  HttpRouter.add(
    "GET",
    "/who",
    Effect.map(ClientAddress, (address) => HttpServerResponse.text(address ?? "nobody"))
  ),
  HttpRouter.add("POST", "/mcp", HttpServerResponse.text("mcp")),
  HttpRouter.add("GET", "/livez", HttpServerResponse.text("alive"))
)

const server = (config: Readonly<Record<string, string>>) =>
  HttpServer.layerTestClient.pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Layer.fresh(serve(routes))),
    Layer.provide([
      testLimits({ perAddress: 3 }),
      NodeCrypto.layer,
      ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", ...config }))
    ])
  )

const send = (method: "GET" | "POST", path: string, forwarded?: string, more: Readonly<Record<string, string>> = {}) =>
  HttpClient.HttpClient.use((client) =>
    Effect.flatMap(
      client.execute(
        HttpClientRequest.make(method)(path, {
          headers: { ...(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }), ...more }
        })
      ),
      (response) => Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
    )
  )

describe("the edge", () => {
  it.effect("limits each client of a trusted proxy by itself, and lets it on as time passes", () =>
    Effect.gen(function* () {
      for (const _ of [1, 2, 3]) assert.strictEqual((yield* send("GET", "/who", "203.0.113.7")).text, "203.0.113.7")
      const refused = yield* send("GET", "/who", "203.0.113.7")
      assert.strictEqual(refused.status, 429)
      assert.containSubset(refused.headers, {
        "content-type": "application/problem+json",
        "retry-after": "20",
        "ratelimit-limit": "3",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "60"
      })
      assert.containSubset(JSON.parse(refused.text), {
        status: 429,
        code: "too-many-requests",
        limit: "address",
        requestId: refused.headers["x-request-id"]
      })
      assert.strictEqual((yield* send("GET", "/nowhere", "203.0.113.7")).status, 429, "also where nothing is")
      assert.strictEqual((yield* send("GET", "/who", "203.0.113.8")).status, 200)
      assert.strictEqual((yield* send("GET", "/livez", "203.0.113.7")).status, 200)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* send("GET", "/who", "203.0.113.7")).status, 200)
      assert.strictEqual((yield* send("GET", "/who", "203.0.113.7")).status, 429)
    }).pipe(Effect.provide(server({ TRUSTED_PROXIES: "127.0.0.1" })))
  )

  it.effect("answers clients of MCP in their own protocol", () =>
    Effect.gen(function* () {
      for (const _ of [1, 2, 3]) assert.strictEqual((yield* send("POST", "/mcp", "203.0.113.7")).status, 200)
      const { headers, status, text } = yield* send("POST", "/mcp", "203.0.113.7")
      assert.strictEqual(status, 429)
      assert.strictEqual(headers["retry-after"], "20")
      assert.containSubset(JSON.parse(text), { jsonrpc: "2.0", id: null, error: { code: -32000 } })
    }).pipe(Effect.provide(server({ TRUSTED_PROXIES: "127.0.0.1" })))
  )

  it.effect("believes no address that nobody trusted has sent, and does not limit this machine", () =>
    Effect.gen(function* () {
      for (const _ of [1, 2, 3, 4, 5]) {
        const { headers, text } = yield* send("GET", "/who", "203.0.113.7", { "x-forwarded-proto": "https" })
        assert.strictEqual(text, "127.0.0.1")
        assert.notProperty(headers, "strict-transport-security")
      }
    }).pipe(Effect.provide(server({})))
  )

  it.effect("asks for TLS for ever after where the client came over TLS", () =>
    Effect.gen(function* () {
      const secure = yield* send("GET", "/who", "203.0.113.9", { "x-forwarded-proto": "https" })
      assert.strictEqual(secure.headers["strict-transport-security"], "max-age=31536000")
      const plain = yield* send("GET", "/who", "203.0.113.9", { "x-forwarded-proto": "http" })
      assert.notProperty(plain.headers, "strict-transport-security")
    }).pipe(Effect.provide(server({ TRUSTED_PROXIES: "127.0.0.1" })))
  )

  it.effect("refuses addresses that are too long", () =>
    Effect.gen(function* () {
      const { headers, status, text } = yield* send("GET", `/who?${"x".repeat(8 * 1024)}`)
      assert.strictEqual(status, 414)
      assert.strictEqual(headers["content-type"], "application/problem+json")
      assert.containSubset(JSON.parse(text), { code: "uri-too-long" })
    }).pipe(Effect.provide(server({})))
  )
})
