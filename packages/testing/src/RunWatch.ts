import { Context, Formatter, Logger, Redacted, Result, Tracer } from "effect"
import { formsOf, hearSpan } from "./SecretWatch.ts"

/** Shorter values of `Redacted` are words that tests made up, and met by accident. */
const shortest = 16

/** Longer ones are documents; what is long of them is in their beginning too. */
const longest = 4096

/** So many characters of a secret tell that all of it may follow. */
const keyLength = 12

/** What secrets are called, by one of their forms; apart by their lengths, so that each is one look. */
type Forms = Map<number, Map<string, string>>

const decoded = (text: string) =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(text)),
    () => text
  )

/** The texts in a value that somebody keeps as a secret. */
const textsOf = (value: unknown, depth = 0): ReadonlyArray<string> => {
  if (typeof value === "string") {
    const url = URL.parse(value)
    if (url !== null && url.host !== "") return [url.password, decoded(url.password)]
    return [value.slice(0, longest)]
  }
  if (value instanceof URL) return [value.password, decoded(value.password)]
  if (value instanceof Uint8Array) {
    return new Set(value).size < 4 ? [] : [Buffer.from(value).toString("base64"), Buffer.from(value).toString("hex")]
  }
  if (typeof value !== "object" || value === null || depth > 4) return []
  return Object.values(value).flatMap((item) => textsOf(item, depth + 1))
}

/**
 * Knows every secret that this process keeps, whichever test or part of the product made it, for all of them are
 * `Redacted`; and everything that it says: log lines and spans where a test has not its own, and what goes to the console.
 * One for all suites of a worker, asked when each of them ends.
 */
export const makeRunWatch = () => {
  const secrets = new Set<string>()
  const forms = new Map<string, Forms>()
  const heard = new Map<string, string>()

  const guard = (name: string, secret: string) => {
    if (secret.length < shortest || secrets.has(secret) || new Set(secret).size < 6) return
    secrets.add(secret)
    for (const form of formsOf(secret)) {
      if (form.length < shortest) continue
      const key = form.slice(0, keyLength)
      const alike: Forms = forms.get(key) ?? new Map()
      const ofLength = alike.get(form.length) ?? new Map<string, string>()
      forms.set(key, alike.set(form.length, ofLength.set(form, name)))
    }
  }

  /** Where a secret stands in what was said, without the secret. */
  const leaksIn = (place: string, text: string): ReadonlyArray<string> => {
    const found: Array<string> = []
    for (let at = 0; at + keyLength <= text.length; at++) {
      const alike = forms.get(text.slice(at, at + keyLength)) ?? []
      const known = [...alike].flatMap(([length, names]) => {
        const form = text.slice(at, at + length)
        const name = names.get(form)
        return name === undefined ? [] : [{ form, name }]
      })[0]
      if (known === undefined) continue
      const { form, name } = known
      const around = text.slice(Math.max(0, at - 120), at + form.length + 60).replaceAll(form, "…")
      found.push(`${name} in ${place}: ${around}`)
      at += form.length
    }
    return found
  }

  return {
    guard,
    guardValue: (name: string, value: unknown) => {
      for (const text of textsOf(value)) guard(name, text)
    },
    hear: (place: string, text: string) => {
      if (text !== "") heard.set(text, place)
    },
    /** What was said since the last time. */
    leaks: (): ReadonlyArray<string> => {
      const all = [...heard].flatMap(([text, place]) => leaksIn(place, text))
      heard.clear()
      return all
    }
  }
}

export type RunWatch = ReturnType<typeof makeRunWatch>

/** Has the watch hear and know all of this process. */
export const installRunWatch = (watch: RunWatch) => {
  // Where Effect keeps what is redacted: there is no other way to learn of all of it.
  const set = new Proxy(WeakMap.prototype.set, {
    apply: (set, self, args: ReadonlyArray<unknown>) => {
      const [key, value] = args
      if (Redacted.isRedacted(key)) watch.guardValue(key.label ?? "a secret", value)
      return Reflect.apply(set, self, args)
    }
  })
  Reflect.set(WeakMap.prototype, "set", set)
  const log = Logger.map(Logger.formatJson, (line) => watch.hear("logs", line))
  Reflect.apply(Set.prototype.add, Context.get(Context.empty(), Logger.CurrentLoggers), [log])
  Object.assign(Tracer.nativeTracer, {
    span: (options: ConstructorParameters<typeof Tracer.NativeSpan>[0]) =>
      hearSpan(new Tracer.NativeSpan(options), (text) => watch.hear("spans", text))
  })
  for (const name of ["log", "info", "warn", "error", "debug"] as const) {
    const say = console[name]
    console[name] = (...args: ReadonlyArray<unknown>) => {
      for (const arg of args) watch.hear(`console.${name}`, typeof arg === "string" ? arg : Formatter.format(arg))
      say(...args)
    }
  }
  for (const [name, stream] of [
    ["standard output", process.stdout],
    ["standard error", process.stderr]
  ] as const) {
    stream.write = new Proxy(stream.write, {
      apply: (write, self, args: ReadonlyArray<unknown>) => {
        watch.hear(name, String(args[0]))
        return Reflect.apply(write, self, args)
      }
    })
  }
}
