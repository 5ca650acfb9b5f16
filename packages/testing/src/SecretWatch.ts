import { Effect, Exit, Formatter, Layer, Logger, Redacted, References, Schema, Tracer } from "effect"
import { Base64, Hex } from "effect/encoding"
import type { Server } from "node:http"

/** Shorter texts are met by accident. */
const shortest = 8

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** The part of a text in base64 that this secret alone decides, after so many other bytes. */
const base64After = (secret: string, before: number) => {
  const bytes = bytesOf(secret)
  const encoded = Base64.encode(Uint8Array.from([...new Uint8Array(before), ...bytes]))
  return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
}

/** The ways in which a secret can be written and still be had by whoever reads it. */
export const formsOf = (secret: string): ReadonlyArray<string> => {
  const base64 = [0, 1, 2].map((before) => base64After(secret, before))
  const forms = [
    secret,
    Formatter.formatJson(secret).slice(1, -1),
    encodeURIComponent(secret),
    Hex.encode(bytesOf(secret)),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"))
  ]
  return [...new Set(forms)].filter((form) => form.length >= shortest)
}

/** A secret was written where others can read it. It says which one and where, and not the secret. */
export class SecretsLeaked extends Schema.TaggedError<SecretsLeaked>()(
  "@devops-mcp/testing/SecretWatch/SecretsLeaked",
  { leaks: Schema.Array(Schema.String) }
) {
  override get message() {
    return `Secrets can be read where they must not be:\n${this.leaks.join("\n")}`
  }
}

export interface GuardOptions {
  /** The one place where the secret is shown, a single time: where it is created. */
  readonly shownOnceIn?: string
}

interface Guarded {
  readonly name: string
  readonly shownOnceIn: string | undefined
  readonly forms: ReadonlyArray<string>
}

interface Heard {
  readonly place: string
  readonly text: string
}

export interface WatchOptions {
  /** Without it nothing is kept, and only secrets that are known by then are found. */
  readonly keeps?: boolean
}

/**
 * Searches everything that a suite's programs and servers said for the secrets that the suite used, in every usual
 * encoding. Neither order matters: what is said may come before the secret is known.
 */
export const makeSecretWatch = ({ keeps = true }: WatchOptions = {}) => {
  const secrets = new Map<string, Guarded>()
  const heard: Array<Heard> = []
  const found: Array<string> = []
  let isIdle = true

  /** Around it, so that one sees where it comes from, without the secret itself. */
  const excerpt = (text: string, form: string) => {
    const at = text.indexOf(form)
    const around = text.slice(Math.max(0, at - 120), at + form.length + 60)
    return around.replaceAll(form, "…")
  }

  const search = (all: ReadonlyArray<Heard>): ReadonlyArray<string> =>
    [...secrets.values()].flatMap(({ forms, name, shownOnceIn }) => {
      let shown = 0
      return all.flatMap(({ place, text }) => {
        const form = forms.find((each) => text.includes(each))
        if (form === undefined) return []
        if (place === shownOnceIn && text.split(form).length === 2 && ++shown === 1) return []
        return [`${name} in ${place}: ${excerpt(text, form)}`]
      })
    })

  const leaks = (): ReadonlyArray<string> => (keeps ? search(heard) : found)

  return {
    guard: (name: string, secret: string | Redacted.Redacted, { shownOnceIn }: GuardOptions = {}) => {
      const text = Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
      if (text.length < shortest) throw new Error(`The secret '${name}' is too short to be told from other text`)
      secrets.set(text, { name, shownOnceIn, forms: formsOf(text) })
    },
    hear: (place: string, text: string) => {
      isIdle = false
      if (keeps) heard.push({ place, text })
      else found.push(...search([{ place, text }]))
    },
    leaks,
    /** Fails when a secret was said, or when there was nothing to look for or to look at. */
    verify: Effect.suspend(() => {
      const all = leaks()
      if (all.length > 0) return Effect.fail(new SecretsLeaked({ leaks: all }))
      const isPointless = isIdle || secrets.size === 0
      return isPointless ? Effect.fail(new SecretsLeaked({ leaks: ["Nothing was watched"] })) : Effect.void
    })
  }
}

export type SecretWatch = ReturnType<typeof makeSecretWatch>

/** Tells what a span says when it ends: its name, attributes, events, links and failure. */
export const hearSpan = (span: Tracer.NativeSpan, hear: (text: string) => void) => {
  const end = span.end.bind(span)
  span.end = (endTime, exit) => {
    end(endTime, exit)
    const { attributes, events, links, name } = span
    const said = Formatter.format({ name, attributes: [...attributes], events, links })
    hear(Exit.isSuccess(exit) ? said : `${said} ${Formatter.format(exit)}`)
  }
  return span
}

/** Hears every span with its attributes, events and failure. */
export const tracerOf = (watch: SecretWatch) =>
  Tracer.make({
    span: (options) => hearSpan(new Tracer.NativeSpan(options), (text) => watch.hear("spans", text))
  })

/** Hears every log line, at every level, and every span. */
export const listening = (watch: SecretWatch) =>
  Layer.mergeAll(
    Logger.layer([Logger.map(Logger.formatJson, (line) => watch.hear("logs", line))]),
    Layer.succeed(References.MinimumLogLevel, "Trace"),
    Layer.succeed(Tracer.Tracer, tracerOf(watch))
  )

/** Hears everything that a server sends, whatever the protocol. */
export const hearing = (watch: SecretWatch, server: Server) =>
  server.on("connection", (socket) => {
    socket.write = new Proxy(socket.write, {
      apply: (write, self, args: ReadonlyArray<unknown>) => {
        watch.hear("answers", String(args[0]))
        return Reflect.apply(write, self, args)
      }
    })
  })

/** Looks for the secrets when the suite is over; the suite fails with what it finds. */
export const verifiedAtTheEnd = (watch: SecretWatch) =>
  Layer.effectDiscard(Effect.addFinalizer(() => Effect.orDie(watch.verify)))

const secretName = /KEY$|SECRET|TOKEN|PASSWORD/

/** The secrets of a program's environment; those too short to be told from other text are left out. */
export const secretsOf = (env: Readonly<Record<string, string>>) =>
  Object.entries(env)
    .map(([name, value]): readonly [string, string] => [
      name,
      secretName.test(name) ? value : (URL.parse(value)?.password ?? "")
    ])
    .filter(([, secret]) => secret.length >= shortest)
