import { type Describe, type Describers, headed, quoted, saying } from "../../normalise/Describe.ts"

const service =
  (outcome: string): Describe =>
  ({ payload, who }) => {
    const service = payload.at("event", "data")
    if (!service.isObject) return undefined
    const name = service.line("summary") ?? service.line("name")
    return {
      title: headed(`Service ${outcome}`, name),
      summary: [
        `The service${quoted(name)}, for which incidents are opened, was ${outcome} by ${who}.`,
        saying(service.names(["teams"], "summary"), (names) => `Teams: ${names}.`),
        saying(service.prose("description"), (text) => `Description: ${text}`)
      ]
    }
  }

const ping: Describe = ({ payload }) => ({
  title: "Webhook connected",
  summary: [
    "PagerDuty sent a test event to this address.",
    saying(payload.prose("event", "data", "message"), (text) => `The ping says: ${text}`)
  ]
})

/** Services, and the test event of the webhook itself. */
export const services: Describers = {
  "service.created": service("created"),
  "service.updated": service("updated"),
  "service.deleted": service("deleted"),
  "service.custom_field_values.updated": service("given other values in its fields"),
  "pagey.ping": ping
}
