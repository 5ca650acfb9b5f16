import type { Schema } from "effect"
import type { Sample } from "../Sample.ts"

const event = (type: string, of: string, more: Schema.JsonObject): Sample => ({
  eventType: type,
  of,
  payload: {
    token: "Jhj5dZrVaK7ZwHHjRyZWjbDl",
    team_id: "T061EG9R6",
    api_app_id: "A0PNCHHK2",
    event: { type, event_ts: "1767139200.000100", ...more },
    type: "event_callback",
    event_id: "Ev0PV52K21",
    event_time: 1767139200,
    authorizations: [{ enterprise_id: null, team_id: "T061EG9R6", user_id: "U061F7AUR", is_bot: true }],
    is_ext_shared_channel: false,
    event_context: "4-eyJldCI6Im1lc3NhZ2Ui"
  }
})
const said = { user: "U2147483697", channel: "C2147483705", ts: "1767139200.000100", channel_type: "channel" }
const item = { type: "message", channel: "C2147483705", ts: "1767139100.000200" }

export const samples: ReadonlyArray<Sample> = [
  event("message", "with markup", {
    ...said,
    text: "<@U024BE7LH> the deploy of <https://ci.example.com/1|build 1> failed in <#C024|ops> &amp; beyond <!here>"
  }),
  event("message", "in a thread", { ...said, text: "Rolled back.", thread_ts: "1767139000.000100" }),
  event("message", "by a bot", {
    subtype: "bot_message",
    channel: "C2147483705",
    ts: "1767139200.000100",
    bot_id: "BB12033",
    username: "deployer",
    text: "",
    attachments: [{ fallback: "Deploy finished", text: "Deploy of shop finished", color: "good" }]
  }),
  event("message", "edited", {
    subtype: "message_changed",
    hidden: true,
    channel: "C2147483705",
    ts: "1767139200.000100",
    message: { type: "message", user: "U2147483697", text: "Rolled back now.", ts: "1767139100.000200" },
    previous_message: { type: "message", user: "U2147483697", text: "Rolled back." }
  }),
  event("message", "deleted", {
    subtype: "message_deleted",
    channel: "C2147483705",
    ts: "1767139200.000100",
    deleted_ts: "1767139100.000200",
    previous_message: { type: "message", user: "U2147483697", text: "Never mind." }
  }),
  event("message", "with a file", {
    ...said,
    subtype: "file_share",
    text: "The graph",
    files: [{ id: "F0S43P1CZ", name: "latency.png", url_private: "https://files.slack.com/x" }]
  }),
  event("app_mention", "a question", { ...said, text: "<@U0LAN0Z89> is it everything a river should be?" }),
  event("reaction_added", "on a message", { user: "U123ABC456", reaction: "thumbsup", item, item_user: "U222222222" }),
  event("reaction_removed", "on a message", { user: "U123ABC456", reaction: "eyes", item }),
  event("pin_added", "a message", {
    user: "U123ABC456",
    channel_id: "C02ELGNBH",
    item: { ...item, message: { text: "Read me" } }
  }),
  event("channel_created", "a channel", {
    channel: { id: "C024BE91L", name: "incident-42", created: 1767139200, creator: "U024BE7LH" }
  }),
  event("channel_rename", "a channel", { channel: { id: "C02ELGNBH", name: "incident-42-done", created: 1767139200 } }),
  event("channel_archive", "a channel", { channel: "C024BE91L", user: "U024BE7LH" }),
  event("member_joined_channel", "by invitation", {
    user: "W06GH7XHN",
    channel: "C0698JE0H",
    channel_type: "C",
    team: "T024BE7LD",
    inviter: "U123456789"
  }),
  event("team_join", "a person", { user: { id: "U1", name: "grace", real_name: "Grace Hopper", profile: {} } }),
  event("file_shared", "a file", {
    channel_id: "C0L7EFEF9",
    file_id: "F2147483862",
    user_id: "U1",
    file: { id: "F2147483862" }
  }),
  event("emoji_changed", "no description of its own", { subtype: "add", name: "picard_facepalm" }),
  {
    eventType: "url_verification",
    of: "the address",
    payload: { token: "Jhj5dZrVaK7ZwHHjRyZWjbDl", challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY", type: "url_verification" }
  },
  {
    eventType: "app_rate_limited",
    of: "the app",
    payload: {
      token: "Jhj5dZrVaK7ZwHHjRyZWjbDl",
      type: "app_rate_limited",
      team_id: "T123456",
      minute_rate_limited: 1767139200,
      api_app_id: "A123456"
    }
  }
]
