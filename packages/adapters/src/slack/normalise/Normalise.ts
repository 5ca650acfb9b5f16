import { makeNormalise } from "../../normalise/Facts.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { channels } from "./Channels.ts"
import { messages } from "./Messages.ts"

const idShape = /^[A-Z0-9]{2,24}$/

/** The id of the channel that an event is in; some events have it alone, some with its name. */
export const channelOf = (payload: Payload) =>
  payload.line("event", "channel") ??
  payload.line("event", "channel", "id") ??
  payload.line("event", "item", "channel") ??
  payload.line("event", "channel_id")

const actorOf = (event: Payload) =>
  event.line("user", "name") ??
  event.line("user") ??
  event.line("message", "user") ??
  event.line("username") ??
  event.line("channel", "creator") ??
  event.line("user_id") ??
  event.line("bot_id")

const pageOf = (payload: Payload) => {
  const [team, channel] = [payload.line("team_id"), channelOf(payload)]
  return team !== undefined && channel !== undefined && idShape.test(team) && idShape.test(channel)
    ? `https://app.slack.com/client/${team}/${channel}`
    : undefined
}

/** What a Slack delivery says, and the types of event with a description of their own. */
export const { described, normalise } = makeNormalise({
  name: "Slack",
  families: [channels, messages],
  commons: (payload) => {
    const channel = payload.line("event", "channel", "name") ?? channelOf(payload)
    const team = payload.line("team_id")
    return {
      action: payload.line("event", "subtype"),
      actor: actorOf(payload.at("event")),
      where:
        channel !== undefined ? `the channel ${channel}` : team === undefined ? undefined : `the workspace ${team}`,
      page: pageOf(payload),
      time: payload.time("event", "event_ts") ?? payload.time("event_time")
    }
  },
  thing: (payload) => payload.at("event")
})
