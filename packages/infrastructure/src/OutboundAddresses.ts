import { lookup, type LookupAddress } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"

type Subnet = readonly [network: string, prefix: number]

/** Link-local addresses, which clouds keep their metadata under, those metadata have elsewhere, and no host's own. */
const neverV4: ReadonlyArray<Subnet> = [
  ["169.254.0.0", 16],
  ["100.100.100.200", 32],
  ["192.0.0.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4]
]

/** The last three hold IPv4 addresses in forms that nobody needs any more. */
const neverV6: ReadonlyArray<Subnet> = [
  ["fe80::", 10],
  ["fec0::", 10],
  ["fd00:ec2::254", 128],
  ["fd20:ce::254", 128],
  ["ff00::", 8],
  ["64:ff9b:1::", 48],
  ["2001::", 32],
  ["2002::", 16]
]

const loopbackV4: ReadonlyArray<Subnet> = [["127.0.0.0", 8]]
const loopbackV6: ReadonlyArray<Subnet> = [["::1", 128]]

const privateV4: ReadonlyArray<Subnet> = [
  ...loopbackV4,
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15]
]

const privateV6: ReadonlyArray<Subnet> = [...loopbackV6, ["::", 96], ["fc00::", 7]]

/** The prefix of IPv6 addresses that a NAT64 translates. `BlockList` itself knows IPv4 addresses mapped into IPv6. */
const nat64 = "64:ff9b::"

const listOf = (v4: ReadonlyArray<Subnet>, v6: ReadonlyArray<Subnet>) => {
  const list = new BlockList()
  for (const [network, prefix] of v4) {
    list.addSubnet(network, prefix)
    list.addSubnet(`${nat64}${network}`, 96 + prefix, "ipv6")
  }
  for (const [network, prefix] of v6) list.addSubnet(network, prefix, "ipv6")
  return list
}

const never = listOf(neverV4, neverV6)
const notPublic = listOf(privateV4, privateV6)
const loopback = listOf(loopbackV4, loopbackV6)

const isIn = (list: BlockList, address: string) => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")

/** Whether we connect to an IP address: never to link-local and metadata ones, to private ones only when allowed. */
export const isAddressAllowed = (address: string, allowPrivate: boolean): boolean =>
  isIP(address) !== 0 && !isIn(never, address) && (allowPrivate || !isIn(notPublic, address))

/** The host of a URL as an IP address, whichever way it was spelled; undefined for a name. */
const literalOf = ({ hostname }: URL): string | undefined => {
  const host = hostname.replace(/^\[|\]$/g, "")
  return isIP(host) === 0 ? undefined : host
}

const isLoopback = (url: URL) => {
  const literal = literalOf(url)
  return literal === undefined ? /^(.*\.)?localhost\.?$/.test(url.hostname) : isIn(loopback, literal)
}

/**
 * Why we do not call a URL, as far as the URL itself tells; what a name stands for is checked by `guardedLookup` when
 * it is called. Without TLS only this machine is called, and only when private addresses are allowed.
 */
export const refusalOf = (text: string, allowPrivate: boolean): string | undefined => {
  const url = URL.parse(text)
  if (url === null || !["https:", "http:"].includes(url.protocol)) return "is not an https:// URL"
  if (url.username !== "" || url.password !== "" || url.hash !== "") return "has a user, a password or a fragment"
  const literal = literalOf(url)
  if (literal !== undefined && !isAddressAllowed(literal, allowPrivate)) return "is an address that is not called"
  if (!allowPrivate && isLoopback(url)) return "is an address that is not called"
  return url.protocol === "https:" || isLoopback(url) ? undefined : "must begin with https://"
}

/** A name was resolved to an address that we do not connect to. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused"
}

/** Resolves names for a connection and refuses the ones that lead, also among others, to addresses not allowed. */
export const guardedLookup =
  (allowPrivate: boolean): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: ReadonlyArray<LookupAddress>) => {
      const [first] = error === null ? addresses : []
      if (first === undefined) return callback(error ?? new AddressRefused(), "", 0)
      if (!addresses.every(({ address }) => isAddressAllowed(address, allowPrivate))) {
        return callback(new AddressRefused(`${hostname} stands for an address that is not called`), "", 0)
      }
      return options.all === true ? callback(null, [...addresses]) : callback(null, first.address, first.family)
    })
  }
