import {
  type Describe,
  type Describers,
  done,
  headed,
  inWords,
  numbered,
  quoted,
  saying
} from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const project =
  (key: "project" | "projects_v2"): Describe =>
  ({ payload, action, who, where }) => {
    const project = payload.at(key)
    if (!project.isObject) return undefined
    const name = project.line("name") ?? project.line("title")
    return {
      title: headed(`${numbered("Project", project.int("number"))} ${done(action)}`, name),
      summary: [
        `The project board${quoted(name)} in ${where} was ${done(action)} by ${who}.`,
        saying(
          project.prose("body") ?? project.prose("short_description") ?? project.prose("description"),
          (text) => `Description: ${text}`
        )
      ],
      url: project.url("html_url"),
      occurredAt: momentOf(project, action)
    }
  }

const projectCard: Describe = ({ payload, action, who, where }) => {
  const card = payload.at("project_card")
  if (!card.isObject) return undefined
  return {
    title: headed(`Project card ${done(action)}`, card.line("note")),
    summary: [
      `A card of a project board in ${where} was ${done(action)} by ${who}.`,
      saying(payload.line("changes", "note", "from"), (note) => `The note was${quoted(note)} before.`),
      payload.at("changes", "column_id").isObject ? "It was moved from another column." : undefined,
      saying(card.prose("note"), (note) => `Note: ${note}`)
    ],
    occurredAt: momentOf(card, action)
  }
}

const projectColumn: Describe = ({ payload, action, who, where }) => {
  const column = payload.at("project_column")
  if (!column.isObject) return undefined
  return {
    title: headed(`Project column ${done(action)}`, column.line("name")),
    summary: [
      `The column${quoted(column.line("name"))} of a project board in ${where} was ${done(action)} by ${who}.`,
      saying(payload.line("changes", "name", "from"), (name) => `Its name was${quoted(name)} before.`)
    ],
    occurredAt: momentOf(column, action)
  }
}

const contentTypes = new Map([
  ["Issue", "issue"],
  ["PullRequest", "pull request"],
  ["DraftIssue", "draft issue"]
])

const contentOf = (item: Payload) => contentTypes.get(item.line("content_type") ?? "") ?? "item"

const itemChange = (payload: Payload) => {
  const changes = payload.at("changes")
  return (
    saying(
      changes.line("content_type", "from"),
      (from) => `Before, it was of the type ${contentTypes.get(from) ?? from}.`
    ) ??
    saying(
      changes.line("field_value", "field_name") ?? changes.line("field_value", "field_type"),
      (field) => `The changed field is ${inWords(field)}.`
    )
  )
}

const projectsV2Item: Describe = ({ payload, action, who, where }) => {
  const item = payload.at("projects_v2_item")
  if (!item.isObject) return undefined
  return {
    title: headed(`Project item ${done(action)}`, contentOf(item)),
    summary: [`A project item (${contentOf(item)}) in ${where} was ${done(action)} by ${who}.`, itemChange(payload)],
    occurredAt: momentOf(item, action)
  }
}

const projectsV2StatusUpdate: Describe = ({ payload, action, who, where }) => {
  const update = payload.at("projects_v2_status_update")
  if (!update.isObject) return undefined
  const status = saying(update.line("status"), (status) => inWords(status.toLowerCase()))
  return {
    title: headed(`Project status update ${done(action)}`, status),
    summary: [
      `A status update of a project in ${where} was ${done(action)} by ${who}.`,
      saying(status, (text) => `The status is ${text}.`),
      saying(update.prose("body"), (text) => `Text: ${text}`)
    ],
    occurredAt: momentOf(update, action)
  }
}

const planOf = (purchase: Payload) => purchase.line("plan", "name")

const marketplacePurchase: Describe = ({ payload, action, who }) => {
  const purchase = payload.at("marketplace_purchase")
  if (!purchase.isObject) return undefined
  const account = purchase.login("account") ?? "an account"
  return {
    title: headed(`Marketplace plan ${inWords(action)} for ${account}`, planOf(purchase)),
    summary: [
      `The GitHub Marketplace plan${quoted(planOf(purchase))} of the account ${account} was ${done(action)} by ${who}.`,
      saying(
        purchase.line("billing_cycle"),
        (cycle) => `It is billed ${cycle} for ${purchase.int("unit_count") ?? 1} units.`
      ),
      saying(planOf(payload.at("previous_marketplace_purchase")), (plan) => `The plan was${quoted(plan)} before.`),
      saying(payload.line("effective_date"), (date) => `It takes effect on ${date.slice(0, 10)}.`)
    ],
    occurredAt: [payload.time("effective_date")]
  }
}

const sponsorship: Describe = ({ payload, action, who }) => {
  const sponsorship = payload.at("sponsorship")
  if (!sponsorship.isObject) return undefined
  const sponsor = sponsorship.login("sponsor") ?? who
  const sponsored = sponsorship.login("sponsorable") ?? "someone"
  const tier = sponsorship.line("tier", "name")
  return {
    title: headed(`Sponsorship of ${sponsored} by ${sponsor} ${done(action)}`, tier),
    summary: [
      `The sponsorship of ${sponsored} by ${sponsor} was ` +
        `${action === "pending_tier_change" ? "set to change its tier" : done(action)}.`,
      saying(tier, (name) => `The tier is ${name}.`),
      saying(payload.line("changes", "tier", "from", "name"), (name) => `The tier was ${name} before.`),
      saying(payload.line("effective_date"), (date) => `It takes effect on ${date.slice(0, 10)}.`)
    ],
    url: sponsorship.url("sponsorable", "html_url"),
    occurredAt: action === "created" ? [sponsorship.time("created_at")] : []
  }
}

/** Project boards, and what is bought or sponsored. */
export const planning: Describers = {
  project: project("project"),
  projects_v2: project("projects_v2"),
  project_card: projectCard,
  project_column: projectColumn,
  projects_v2_item: projectsV2Item,
  projects_v2_status_update: projectsV2StatusUpdate,
  marketplace_purchase: marketplacePurchase,
  sponsorship
}
