import { type Describe, type Describers, headed, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { cleaned, proseLimit } from "../../normalise/Text.ts"

const mention = /<([@#!])([^<>|\s]{1,100})(?:\|([^<>]{0,200}))?>/g
const link = /<(https?:[^<>|\s]{1,1000})(?:\|([^<>]{0,300}))?>/g

/** Slack's markup as people read it: `<#C1|general>` is "#general". */
const readable = (text: string) =>
  text
    .replace(mention, (_all, mark: string, id: string, name: string | undefined) =>
      mark === "!" ? `@${name || id}` : `${mark}${name || id}`
    )
    .replace(link, (_all, url: string, name: string | undefined) => (name ? `${name} (${url})` : url))
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")

/** The message's text; what bots say is often in its attachments alone. */
const textOf = (message: Payload) => {
  const [first] = message.list("attachments")
  const text = message.prose("text") ?? first?.prose("text") ?? first?.prose("fallback")
  return saying(text, (found) => cleaned(readable(found), proseLimit))
}

/** What became of a message, by the subtype of its event. */
const outcomes = new Map([
  ["message_changed", "edited"],
  ["message_deleted", "deleted"],
  ["bot_message", "posted as a bot"],
  ["file_share", "posted with a file"],
  ["thread_broadcast", "sent to the channel from a thread"]
])

const message: Describe = ({ payload, action, who, where }) => {
  const event = payload.at("event")
  if (!event.isObject) return undefined
  const changed = event.at("message").isObject ? event.at("message") : event
  const shown = action === "message_deleted" ? event.at("previous_message") : changed
  const outcome = outcomes.get(action) ?? "posted"
  const reply = event.line("thread_ts") ?? event.line("message", "thread_ts")
  const text = textOf(shown)
  return {
    title: headed(`Message ${outcome} in ${where}`, text),
    summary: [
      `A message in ${where} was ${outcome} by ${who}.`,
      reply !== undefined && reply !== event.line("ts") ? "It belongs to a thread." : undefined,
      saying(shown.names(["files"], "name"), (names) => `Files: ${names}.`),
      saying(text, (words) => `Message: ${words}`)
    ]
  }
}

const appMention: Describe = ({ payload, who, where }) => {
  const event = payload.at("event")
  if (!event.isObject) return undefined
  const text = textOf(event)
  return {
    title: headed(`App mentioned in ${where}`, text),
    summary: [
      `${who} mentioned the app in ${where}.`,
      event.line("thread_ts") === undefined ? undefined : "It is in a thread.",
      saying(text, (words) => `Message: ${words}`)
    ]
  }
}

const reaction =
  (verb: string): Describe =>
  ({ payload, who, where }) => {
    const event = payload.at("event")
    const name = event.line("reaction")
    if (name === undefined) return undefined
    const kind = event.line("item", "type") ?? "message"
    return {
      title: `Reaction :${name}: ${verb} in ${where}`,
      summary: [
        `The reaction :${name}: was ${verb} by ${who}, on a ${kind} in ${where}.`,
        saying(event.line("item_user"), (user) => `The ${kind} is by ${user}.`)
      ]
    }
  }

const pin =
  (verb: string): Describe =>
  ({ payload, who, where }) => {
    const event = payload.at("event")
    if (!event.isObject) return undefined
    const text = textOf(event.at("item", "message"))
    return {
      title: headed(`Pin ${verb} in ${where}`, text),
      summary: [
        `A ${event.line("item", "type") ?? "message"} was ${verb === "added" ? "pinned" : "unpinned"} in ${where} by ` +
          `${who}.`,
        saying(text, (words) => `Message: ${words}`)
      ]
    }
  }

/** Messages, and what people do to them. */
export const messages: Describers = {
  message,
  app_mention: appMention,
  reaction_added: reaction("added"),
  reaction_removed: reaction("removed"),
  pin_added: pin("added"),
  pin_removed: pin("removed")
}
