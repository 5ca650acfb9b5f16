/**
 * Completes package-lock.json: a registry mirror that lacks the binaries of other platforms makes npm leave them out of
 * the lock file, and then `npm ci` refuses it everywhere. They are optional, so naming them with their platform is enough;
 * only a machine of that platform fetches them. Run after `npm install`: `node scripts/lock-platforms.ts`
 */
import { readFileSync, writeFileSync } from "node:fs"

interface Entry {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

const file = new URL("../package-lock.json", import.meta.url)
const lock: { readonly packages: Record<string, Entry> } = JSON.parse(readFileSync(file, "utf8"))

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"]
const cpus = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"]

/** What a package's name says of its platform, as `@scope/thing-linux-x64-musl` does. */
const platformOf = (name: string) => {
  const parts = name.split(/[/-]/)
  const os = systems.find((system) => parts.includes(system))
  const cpu = cpus.find((candidate) => parts.includes(candidate))
  const libc = parts.some((part) => part.startsWith("musl"))
    ? "musl"
    : parts.some((part) => part.startsWith("gnu"))
      ? "glibc"
      : undefined
  return os === undefined ? undefined : { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), os: [os] }
}

const missing = Object.values(lock.packages).flatMap(({ dev, optionalDependencies }) =>
  Object.entries(optionalDependencies ?? {}).flatMap(([name, version]) => {
    const platform = platformOf(name)
    const path = `node_modules/${name}`
    const entry = { version, ...(dev === true && { dev }), optional: true, ...platform }
    return platform === undefined || path in lock.packages ? [] : [[path, entry] as const]
  })
)

const packages = Object.fromEntries(
  Object.entries({ ...lock.packages, ...Object.fromEntries(missing) }).toSorted(([a], [b]) => (a < b ? -1 : 1))
)
writeFileSync(file, `${JSON.stringify({ ...lock, packages }, undefined, 2)}\n`)
console.log(`${missing.length} packages of other platforms added`)
