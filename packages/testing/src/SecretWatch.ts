import { Exit, Formatter, Layer, Logger, Redacted, References, Tracer } from "effect"
import { Base64, Hex } from "effect/encoding"

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

/**
 * Searches what a test gives it for the secrets that the test used, in every usual encoding: what the watch of the run
 * does not hear, such as rows of a database. Neither order matters: what is said may come before the secret is known.
 */
export const makeSecretWatch = () => {
  const secrets = new Map<string, Guarded>()
  const heard: Array<Heard> = []

  /** Around it, so that one sees where it comes from, without the secret itself. */
  const excerpt = (text: string, form: string) => {
    const at = text.indexOf(form)
    const around = text.slice(Math.max(0, at - 120), at + form.length + 60)
    return around.replaceAll(form, "…")
  }

  const leaks = (): ReadonlyArray<string> =>
    [...secrets.values()].flatMap(({ forms, name, shownOnceIn }) => {
      let shown = 0
      return heard.flatMap(({ place, text }) => {
        const form = forms.find((each) => text.includes(each))
        if (form === undefined) return []
        if (place === shownOnceIn && text.split(form).length === 2 && ++shown === 1) return []
        return [`${name} in ${place}: ${excerpt(text, form)}`]
      })
    })

  return {
    guard: (name: string, secret: string | Redacted.Redacted, { shownOnceIn }: GuardOptions = {}) => {
      const text = Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
      if (text.length < shortest) throw new Error(`The secret '${name}' is too short to be told from other text`)
      secrets.set(text, { name, shownOnceIn, forms: formsOf(text) })
    },
    hear: (place: string, text: string) => {
      heard.push({ place, text })
    },
    leaks
  }
}

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

interface Hearing {
  readonly hear: (place: string, text: string) => void
}

/** Hears every log line, at every level, and every span. */
export const listening = (watch: Hearing | undefined) =>
  Layer.mergeAll(
    Logger.layer([Logger.map(Logger.formatJson, (line) => watch?.hear("logs", line))]),
    Layer.succeed(References.MinimumLogLevel, "Trace"),
    Layer.succeed(
      Tracer.Tracer,
      Tracer.make({
        span: (options) => hearSpan(new Tracer.NativeSpan(options), (text) => watch?.hear("spans", text))
      })
    )
  )
