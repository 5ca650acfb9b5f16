import type { EventFacts } from "@devops-mcp/domain/Event"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { DateTime } from "effect"
import { type Describe, type Describers, type Description, type Occurrence, saying } from "./Describe.ts"
import { describeGeneric } from "./Generic.ts"
import { Payload } from "./Payload.ts"
import { cleaned, shortened, summaryLimit, titleLimit } from "./Text.ts"

/** What nearly all payloads of a sender tell in the same places. */
export interface Commons {
  readonly action?: string | undefined
  readonly repository?: string | undefined
  readonly actor?: string | undefined
  /** What the event belongs to when it is no repository: "the organization acme". */
  readonly where?: string | undefined
  /** The page of where it happened. */
  readonly page?: string | undefined
  /** When it happened, for descriptions that do not say. */
  readonly time?: DateTime.Utc | undefined
}

/** A sender of webhooks, as far as its payloads go. All functions are pure and total. */
export interface Sender {
  /** As people write it. */
  readonly name: string
  readonly families: ReadonlyArray<Describers>
  /** The name under which an event is described, for senders whose types are many words for one thing. */
  readonly family?: (type: string, payload: Payload) => string
  readonly commons: (payload: Payload, type: string) => Commons
  /** The thing that an event of an unknown type is probably about. */
  readonly thing: (payload: Payload, type: string) => Payload
}

/** The senders' clocks may be a little ahead of ours. */
const clockSkew = "5 minutes"

const sentence = (text: string) => (/[.!?…:]$/.test(text) ? text : `${text}.`)

const occurredAt = (moments: ReadonlyArray<DateTime.Utc | undefined>, receivedAt: DateTime.Utc) => {
  const latest = DateTime.addDuration(receivedAt, clockSkew)
  return moments.find((moment) => moment !== undefined && DateTime.isLessThanOrEqualTo(moment, latest)) ?? receivedAt
}

const placeOf = ({ repository, where }: Commons, sender: string) =>
  repository === undefined ? (where ?? sender) : `the repository ${repository}`

/**
 * Makes the `normalise` of a sender, and the names it describes. Pure and total; every text of the facts is bounded and
 * free of secrets we can recognise.
 */
export const makeNormalise = ({ commons, families, family = (type) => type, name, thing }: Sender) => {
  // A map and not an object: event names come from outside and may be `constructor`.
  const describers: ReadonlyMap<string, Describe> = new Map(families.flatMap((entries) => Object.entries(entries)))

  const describe = (occurrence: Occurrence): Description => {
    const { payload, type } = occurrence
    const own = describers.get(family(type, payload))?.(occurrence)
    return own ?? describeGeneric(name, thing(payload, type), occurrence)
  }

  const normalise = (delivery: Pick<Delivery, "eventType" | "payload" | "receivedAt">): EventFacts => {
    const type = cleaned(delivery.eventType, 100) || "unknown"
    const payload = new Payload(delivery.payload)
    const common = commons(payload, type)
    const action = saying(common.action, (text) => shortened(text, 100))
    const { actor, repository } = common
    const description = describe({
      payload,
      type,
      action: action ?? "",
      who: actor ?? "someone",
      where: placeOf(common, name)
    })
    const url = description.url ?? common.page
    const sentences = description.summary.flatMap((text) => (text === undefined ? [] : sentence(text)))
    return {
      type,
      ...(action !== undefined && { action }),
      ...(repository !== undefined && { repository }),
      ...(actor !== undefined && { actor }),
      title: cleaned(description.title, titleLimit),
      summary: shortened(sentences.join(" "), summaryLimit),
      ...(url !== undefined && { url }),
      occurredAt: occurredAt([...(description.occurredAt ?? []), common.time], delivery.receivedAt)
    }
  }

  return { normalise, described: [...describers.keys()].toSorted() }
}
