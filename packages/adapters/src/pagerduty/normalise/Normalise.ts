import { makeNormalise } from "../../normalise/Facts.ts"
import { incidents } from "./Incidents.ts"
import { services } from "./Services.ts"

/** What a PagerDuty delivery says, and the types of event with a description of their own. */
export const { described, normalise } = makeNormalise({
  name: "PagerDuty",
  families: [incidents, services],
  commons: (payload, type) => {
    const event = payload.at("event")
    const service = event.line("data", "service", "summary") ?? event.line("data", "incident", "service", "summary")
    return {
      action: type.includes(".") ? type.slice(type.indexOf(".") + 1) : undefined,
      actor: event.line("agent", "summary") ?? event.line("client", "name"),
      where: service === undefined ? undefined : `the service ${service}`,
      page: event.url("data", "html_url") ?? event.url("data", "incident", "html_url"),
      time: event.time("occurred_at")
    }
  },
  thing: (payload) => payload.at("event", "data")
})
