import { type Describe, headed, inWords, saying, typeInWords } from "../normalise/Describe.ts"
import { makeNormalise } from "../normalise/Facts.ts"
import type { Payload } from "../normalise/Payload.ts"

/** A text under one of the names, or the name of the object that is there. */
const named = (payload: Payload, ...keys: ReadonlyArray<string>) => {
  const inner = keys.flatMap(
    (key) => payload.at(key).first("full_name", "path_with_namespace", "login", "username", "name", "key") ?? []
  )
  return payload.first(...keys) ?? inner[0]
}

const firstUrl = (payload: Payload, ...keys: ReadonlyArray<string>) =>
  keys.map((key) => payload.url(key)).find((url) => url !== undefined)

export const repositoryOf = (payload: Payload) => named(payload, "repository", "repo")

/** What the event belongs to, for the order of events. */
export const projectOf = (payload: Payload) => repositoryOf(payload) ?? named(payload, "project", "service", "source")

const times = ["timestamp", "time", "occurred_at", "occurredAt", "created_at", "createdAt", "updated_at", "date"]

const titleOf = (thing: Payload) => thing.first("title", "subject", "name", "summary", "message", "text")

/** Many senders wrap what they tell: `{"type": …, "data": {…}}`. */
const inside = (payload: Payload) => {
  const data = payload.at("data").isObject ? payload.at("data") : payload.at("payload")
  return data.isObject ? data : payload
}

/** Every type is described alike, by the fields that such payloads usually have. */
const describe: Describe = ({ payload, type, action, who, where }) => {
  if (!payload.isObject) return undefined
  const data = inside(payload)
  const title = titleOf(payload) ?? titleOf(data)
  const text = (thing: Payload) => thing.prose("description") ?? thing.prose("body") ?? thing.prose("message")
  const field = (key: string) => payload.line(key) ?? data.line(key)
  const event = `${typeInWords(type)}${action === "" || type.endsWith(action) ? "" : ` ${inWords(action)}`}`
  const fields = payload.keys
  return {
    title: headed(`Event ${event}`, title),
    summary: [
      `The event ${event} was reported in ${where}, caused by ${who}.`,
      saying(title, (words) => `Title: ${words}`),
      saying(field("status") ?? field("state"), (status) => `Status: ${status}.`),
      saying(field("severity") ?? field("level"), (severity) => `Severity: ${severity}.`),
      saying(field("environment"), (environment) => `Environment: ${environment}.`),
      saying(text(payload) ?? text(data), (words) => `Text: ${words}`),
      fields.length === 0 ? undefined : `The payload has the fields ${fields.join(", ")}.`
    ],
    url:
      firstUrl(payload, "html_url", "web_url", "url", "link", "href") ??
      firstUrl(data, "html_url", "web_url", "url", "link", "href"),
    occurredAt: [...times.map((key) => payload.time(key)), ...times.map((key) => data.time(key))]
  }
}

/** What a delivery of any other sender says, as far as its fields have usual names. */
export const { described, normalise } = makeNormalise({
  name: "Webhook",
  families: [{ any: describe }],
  family: () => "any",
  commons: (payload) => {
    const data = inside(payload)
    const project = projectOf(payload) ?? projectOf(data)
    return {
      action: payload.line("action") ?? data.line("action"),
      repository: repositoryOf(payload) ?? repositoryOf(data),
      actor:
        named(payload, "actor", "user", "sender", "author", "username") ??
        named(data, "actor", "user", "sender", "author", "username"),
      where: project === undefined ? "an unnamed project" : `the project ${project}`
    }
  },
  thing: inside
})
