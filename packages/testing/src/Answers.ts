import { Option, Schema } from "effect"

/** An answer as far as it does not depend on the protocol. */
export interface AnswerHead {
  readonly place: string
  /** Of HTTP alone: what was asked for, and how it went. */
  readonly http?: {
    readonly method: string
    readonly path: string
    readonly status: number
    readonly headers: string
  }
  /** Of programs alone: where they show a key, once each. */
  readonly shownIn?: ReadonlyArray<RegExp>
}

/** An answer that is being given: what is said of it at once, and what waits for its end. */
export interface Answer {
  readonly add: (chunk: unknown) => void
  /** Has what came so far searched; more may come. */
  readonly pause: () => void
  readonly end: () => void
}

/** What of the watch of a run an answer needs. */
interface Watch {
  readonly hear: (place: string, text: string) => void
  readonly show: (secret: string, of: string) => boolean
}

/** From so many bytes on the beginning of an answer does not wait for its end. */
const longest = 64 * 1024

/** A secret may begin in what came before; longer ones are met in whole by accident only. */
const overlap = 1024

/** The only operations whose answers show a secret: where it is made, in one member. A test holds them to the contract. */
export const showings = [
  { operation: "POST /api/v1/api-keys", status: 201, member: "key" },
  { operation: "POST /api/v1/webhooks", status: 201, member: "secret" },
  { operation: "POST /api/v1/webhooks/{id}/rotate-secret", status: 200, member: "secret" }
] as const

const patterns = showings.map((showing) => ({
  ...showing,
  pattern: new RegExp(`^${showing.operation.replace("{id}", "[^/]+")}$`)
}))

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const withoutKey = (watch: Watch, text: string, place: RegExp) =>
  text.replace(place, (all: string, key: string) => (watch.show(key, place.source) ? all.replace(key, "") : all))

/**
 * What is left of an answer without the secret that it may show: where that was made, once for each thing that has it,
 * and again only when the same request is repeated with its `Idempotency-Key`.
 */
const withoutShown = (watch: Watch, { http, shownIn = [] }: AnswerHead, body: string) => {
  if (http === undefined) return shownIn.reduce((text, place) => withoutKey(watch, text, place), body)
  const asked = `${http.method} ${http.path.split("?")[0]}`
  const showing = patterns.find(({ pattern, status }) => status === http.status && pattern.test(asked))
  if (showing === undefined) return body
  const { [showing.member]: secret, ...rest } = Option.getOrElse(decode(body), (): Record<string, unknown> => ({}))
  if (typeof secret !== "string") return body
  const isFirst = watch.show(secret, String(rest["id"]))
  const isReplayed = /^idempotency-replayed: ?true\r?$/im.test(http.headers)
  return isFirst || isReplayed ? JSON.stringify(rest) : body
}

const bytesOf = (chunk: unknown) => {
  if (typeof chunk === "string") return Buffer.from(chunk)
  // Whoever wrote it may use its memory for something else.
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : undefined
}

export const makeAnswer = (watch: Watch, head: AnswerHead, ended: () => void): Answer => {
  let chunks: Array<Buffer> = []
  let length = 0
  const text = () => Buffer.concat(chunks).toString("utf8")
  const keep = (rest: ReadonlyArray<Buffer>) => {
    chunks = [...rest]
    length = rest.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }
  /** Without what may be shown; of HTTP that is told from a whole answer alone. */
  const pause = () => {
    watch.hear(head.place, head.http === undefined ? withoutShown(watch, head, text()) : text())
    keep([])
  }
  if (head.http !== undefined) watch.hear(`the headers of ${head.place}`, head.http.headers)
  return {
    add: (chunk) => {
      const bytes = bytesOf(chunk)
      if (bytes === undefined) return
      chunks.push(bytes)
      length += bytes.byteLength
      if (length < longest) return
      const all = Buffer.concat(chunks)
      pause()
      keep([all.subarray(-overlap)])
    },
    pause,
    end: () => {
      watch.hear(head.place, withoutShown(watch, head, text()))
      keep([])
      ended()
    }
  }
}
