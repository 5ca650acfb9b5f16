import { Context, Formatter, Logger, Redacted, Result, Tracer } from "effect"
import { type Answer, type AnswerHead, makeAnswer } from "./Answers.ts"
import { hearPrograms } from "./HearPrograms.ts"
import { hearServers } from "./HearServers.ts"
import { formsOf, hearSpan } from "./SecretWatch.ts"

/** Shorter values of `Redacted` are words that tests made up, and met by accident. */
const shortest = 16

/** Longer ones are documents; what is long of them is in their beginning too. */
const longest = 4096

/** So many characters of a secret tell that all of it may follow. */
const keyLength = 12

/** So many characters are kept at most, to be searched for secrets that become known later. */
const mostKept = 4 * 1024 * 1024

/** What secrets are called, by one of their forms; apart by their lengths, so that each is one look. */
type Forms = Map<number, Map<string, string>>

const placesOfBeginnings = 1 << 20

/** Of the `keyLength` characters from there on, so many places that few texts share one with a secret. */
const placeOf = (text: string, at: number) =>
  (Math.imul(text.charCodeAt(at), 0x9e3b) ^
    Math.imul(text.charCodeAt(at + 4), 0x85eb) ^
    Math.imul(text.charCodeAt(at + 7), 0x27d5) ^
    Math.imul(text.charCodeAt(at + keyLength - 1), 0x1657)) &
  (placesOfBeginnings - 1)

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
 * `Redacted`, and those that callers send or are shown; and everything that is said: log lines and spans where a test has
 * not its own, what goes to the console, and all that servers and programs answer. One for all suites of a worker, asked
 * when each of them ends.
 */
export const makeRunWatch = () => {
  const secrets = new Set<string>()
  const forms = new Map<string, Forms>()
  const beginnings = new Uint8Array(placesOfBeginnings)
  const heard = new Map<string, string>()
  let kept = 0
  const found: Array<string> = []
  const answers = new Set<Answer>()
  const shown = new Set<string>()
  const peers = new WeakSet<object>()

  const guard = (name: string, secret: string) => {
    if (secret.length < shortest || secrets.has(secret) || new Set(secret).size < 6) return
    secrets.add(secret)
    for (const form of formsOf(secret)) {
      if (form.length < shortest) continue
      const key = form.slice(0, keyLength)
      beginnings[placeOf(key, 0)] = 1
      const alike: Forms = forms.get(key) ?? new Map()
      const ofLength = alike.get(form.length) ?? new Map<string, string>()
      forms.set(key, alike.set(form.length, ofLength.set(form, name)))
    }
  }

  /** Where a secret stands in what was said, without the secret. */
  const leaksIn = (place: string, text: string): ReadonlyArray<string> => {
    const found: Array<string> = []
    for (let at = 0; at + keyLength <= text.length; at++) {
      if (beginnings[placeOf(text, at)] === 0) continue
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

  const search = () => {
    for (const [text, place] of heard) found.push(...leaksIn(place, text))
    heard.clear()
    kept = 0
  }

  const hear = (place: string, text: string) => {
    if (text === "" || heard.has(text)) return
    heard.set(text, place)
    kept += text.length
    if (kept > mostKept) search()
  }

  const watch = {
    guard,
    guardValue: (name: string, value: unknown) => {
      for (const text of textsOf(value)) guard(name, text)
    },
    /** What a request says who it is with. */
    guardCredential: (authorization: string | undefined) =>
      guard("a credential", authorization?.slice(authorization.indexOf(" ") + 1) ?? ""),
    hear,
    /** Whether it is shown for the first time: the place that made it may show it once. */
    show: (secret: string, of: string) => {
      guard("a shown secret", secret)
      const showing = `${of} ${secret}`
      return !shown.has(showing) && shown.add(showing).size > 0
    },
    /** An answer of which more may come. */
    answer: (head: AnswerHead): Answer => {
      const answer = makeAnswer(watch, head, () => answers.delete(answer))
      answers.add(answer)
      return answer
    },
    /** Servers that stand for others' in a test; all others are ours. */
    peers,
    /** What was said since the last time. */
    leaks: (): ReadonlyArray<string> => {
      for (const answer of answers) answer.pause()
      search()
      shown.clear()
      return found.splice(0)
    }
  }
  return watch
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
  hearServers(watch)
  hearPrograms(watch)
}
