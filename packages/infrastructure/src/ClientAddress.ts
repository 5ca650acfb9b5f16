import { Context, Effect, Option, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { trustedProxies } from "./Settings.ts"

/** Who sent a request, as far as that cannot be made up. */
export interface Client {
  /** Of the peer itself, or the one that a trusted proxy names; `unknown` when there is none. */
  readonly address: string
  /** Under which its requests are counted: whoever has one IPv6 address usually has its whole /64. */
  readonly network: string
  /** Of this machine: a proxy on it that nobody declared would make all its clients one. */
  readonly loopback: boolean
  /** Over TLS, to us or to a trusted proxy. */
  readonly secure: boolean
}

/** Who sent the request being handled; the edge knows. */
export const RequestClient = Context.Reference<Client>("@devops-mcp/infrastructure/ClientAddress/RequestClient", {
  defaultValue: () => ({ ...unknown, secure: false })
})

type Headers = Readonly<Record<string, string | undefined>>

/** The address in an entry of `X-Forwarded-For`, which may have a port. */
const addressOf = (text: string): Option.Option<NetAddress.IpAddress> => {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  const plain: Option.Option<NetAddress.IpAddress> = Result.getSuccess(NetAddress.ipFromString(bare))
  const withPort = Option.map(Result.getSuccess(NetAddress.inetAddressFromString(text)), ({ address }) => address)
  return Option.map(
    Option.orElse(plain, () => withPort),
    (address) => NetAddress.toCanonical(address)
  )
}

const networkOf = (address: NetAddress.IpAddress) =>
  NetAddress.isIpv4Address(address)
    ? NetAddress.formatIp(address)
    : Result.match(IpNetwork.fromAddress(address, 64), {
        onFailure: () => NetAddress.formatIp(address),
        onSuccess: IpNetwork.format
      })

const describe = (address: NetAddress.IpAddress): Omit<Client, "secure"> => ({
  address: NetAddress.formatIp(address),
  network: networkOf(address),
  loopback: NetAddress.isLoopback(address)
})

const unknown = { address: "unknown", network: "unknown", loopback: false }

const listed = (value: string | undefined) => value?.split(",").map((entry) => entry.trim()) ?? []

/**
 * Who sent a request. Only what trusted proxies have added is believed: of `X-Forwarded-For` the rightmost address that
 * is not one of theirs, and `X-Forwarded-Proto` of the same hop. An entry that is no address ends the search, and the
 * peer is the client. Effect's own middleware would also believe `X-Forwarded-Host`, which proxies pass on unseen.
 */
export const clientOf = (
  peer: string | undefined,
  headers: Headers,
  proxies: ReadonlyArray<IpNetwork.IpNetwork>,
  encrypted = false
): Client => {
  const isTrusted = (address: NetAddress.IpAddress) => proxies.some((network) => IpNetwork.contains(network, address))
  const direct = Option.getOrUndefined(addressOf(peer ?? ""))
  if (direct === undefined) return { ...unknown, secure: encrypted }
  const here = { ...describe(direct), secure: encrypted }
  if (!isTrusted(direct)) return here

  const hops = listed(headers["x-forwarded-for"])
  const protocols = listed(headers["x-forwarded-proto"])
  const secureAt = (index: number) =>
    (protocols.length === hops.length ? protocols[index] : protocols.at(-1))?.toLowerCase() === "https"
  for (let index = hops.length - 1; index >= 0; index--) {
    const address = Option.getOrUndefined(addressOf(hops[index] ?? ""))
    if (address === undefined) return here
    if (index === 0 || !isTrusted(address)) return { ...describe(address), secure: secureAt(index) }
  }
  return { ...here, secure: protocols.at(-1)?.toLowerCase() === "https" }
}

/** Clients whose description is kept, for parsing takes longer than all else that limits do; and how long its headers may be. */
const capacity = 1000
const longestKept = 200

/** Tells who sent a request, by `TRUSTED_PROXIES`. */
export const makeClientOf = Effect.gen(function* () {
  const proxies = yield* trustedProxies
  const kept = new Map<string, Client>()

  return ({
    encrypted,
    headers,
    peer
  }: {
    readonly peer: string | undefined
    readonly headers: Headers
    readonly encrypted: boolean
  }): Client => {
    const told = proxies.length === 0 ? "" : ` ${headers["x-forwarded-for"]} ${headers["x-forwarded-proto"]}`
    const key = `${encrypted} ${peer}${told}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const client = clientOf(peer, headers, proxies, encrypted)
    if (key.length > longestKept) return client
    if (kept.size >= capacity) kept.clear()
    kept.set(key, client)
    return client
  }
})
