import { type Describe, type Describers, headed, saying } from "../../normalise/Describe.ts"

const channel =
  (outcome: string): Describe =>
  ({ payload, who, where }) => {
    const event = payload.at("event")
    if (!event.isObject) return undefined
    return {
      title: headed(`Channel ${outcome}`, event.line("channel", "name") ?? event.line("channel")),
      summary: [`${where.replace(/^the channel/, "The channel")} was ${outcome} by ${who}.`],
      occurredAt: outcome === "created" ? [event.time("channel", "created")] : []
    }
  }

const member =
  (verb: string): Describe =>
  ({ payload, who, where }) => {
    const event = payload.at("event")
    if (!event.isObject) return undefined
    return {
      title: `Member ${verb} ${where}: ${who}`,
      summary: [
        `${who} ${verb} ${where}.`,
        saying(event.line("inviter"), (inviter) => `The invitation came from ${inviter}.`)
      ]
    }
  }

const teamJoin: Describe = ({ payload, who }) => {
  const user = payload.at("event", "user")
  if (!user.isObject) return undefined
  const name = user.line("real_name") ?? user.line("name")
  return {
    title: headed("Person joined the workspace", name),
    summary: [`${name ?? who} joined the workspace ${payload.line("team_id") ?? ""}`.trim()]
  }
}

const file =
  (outcome: string): Describe =>
  ({ payload, who, where }) => {
    const event = payload.at("event")
    if (!event.isObject) return undefined
    return {
      title: headed(`File ${outcome} in ${where}`, event.line("file", "name") ?? event.line("file_id")),
      summary: [`A file was ${outcome} in ${where} by ${who}.`]
    }
  }

const verification: Describe = ({ payload }) =>
  payload.line("challenge") === undefined
    ? undefined
    : {
        title: "Webhook connected",
        summary: ["Slack asked whether this address is ours, and was answered with its challenge."]
      }

const limited: Describe = ({ payload }) => ({
  title: "Slack limits the events of this app",
  summary: ["Slack left out events of this app, for there were too many in one hour."],
  occurredAt: [payload.time("minute_rate_limited")]
})

/** Channels and who is in them, files, and the webhook itself. The verification token of the payload is never read. */
export const channels: Describers = {
  channel_created: channel("created"),
  channel_archive: channel("archived"),
  channel_unarchive: channel("unarchived"),
  channel_rename: channel("renamed"),
  channel_deleted: channel("deleted"),
  channel_shared: channel("shared with another workspace"),
  channel_unshared: channel("no longer shared with another workspace"),
  member_joined_channel: member("joined"),
  member_left_channel: member("left"),
  team_join: teamJoin,
  file_shared: file("shared"),
  url_verification: verification,
  app_rate_limited: limited
}
