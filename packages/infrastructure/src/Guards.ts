import { corsOrigins } from "./Settings.ts"
import { Config, Result } from "effect"

/** Names of this machine itself; IPv6 as in URLs. */
const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"])
const loopbackHosts = new Set(["localhost", "127.0.0.1", "::1"])

const hostnameOf = (url: string) => Result.getOrUndefined(Result.try(() => new URL(url).hostname))

/** What the environment says about who may reach this server through a browser. */
export const guardConfig = Config.all({
  /** On a loopback address only requests that name it are ours; any other name is DNS rebinding. */
  loopbackOnly: Config.String("HOST").pipe(
    Config.withDefault("127.0.0.1"),
    Config.map((host) => loopbackHosts.has(host))
  ),
  origins: Config.map(corsOrigins, (origins) => new Set(origins))
})

export interface GuardRules {
  readonly loopbackOnly: boolean
  readonly origins: ReadonlySet<string>
}

const isAllowedOrigin = (origin: string, host: string, { origins }: GuardRules) => {
  const hostname = hostnameOf(origin)
  if (hostname === undefined) return false
  return loopbackNames.has(hostname) || origins.has(origin) || [`http://${host}`, `https://${host}`].includes(origin)
}

/** Why a request must be refused whoever sends it; undefined when it is fine. Only browsers send `Origin`. */
export const refusalOf = (
  headers: Readonly<Record<string, string | undefined>>,
  rules: GuardRules
): string | undefined => {
  const { host = "", origin } = headers
  if (rules.loopbackOnly && !loopbackNames.has(hostnameOf(`http://${host}`) ?? "")) {
    return "The Host header does not name this server"
  }
  return origin === undefined || isAllowedOrigin(origin, host, rules) ? undefined : "The Origin is not allowed"
}
