import { type Describe, type Describers, done, headed, inWords, quoted, saying } from "../../normalise/Describe.ts"
import { outcome } from "../../normalise/Outcomes.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const nameOf = (payload: Payload) => payload.line("repository", "full_name")

const repositoryChange = (payload: Payload) => {
  const changes = payload.at("changes")
  const owner = changes.at("owner", "from")
  return (
    saying(changes.line("repository", "name", "from"), (name) => `Its name was ${name} before.`) ??
    saying(owner.login("user") ?? owner.login("organization"), (login) => `Its owner was ${login} before.`) ??
    saying(
      changes.line("default_branch", "from"),
      (branch) =>
        `Its default branch was ${branch} before and is ` +
        `${payload.line("repository", "default_branch") ?? "another"} now.`
    ) ??
    saying(changes.line("description", "from"), (text) => `Its description was${quoted(text)} before.`) ??
    (changes.keys.length === 0 ? undefined : `Changed settings: ${changes.keys.map(inWords).join(", ")}.`)
  )
}

const repository: Describe = ({ payload, action, who, where }) => {
  const repository = payload.at("repository")
  if (!repository.isObject) return undefined
  const visibility = repository.line("visibility") ?? (repository.flag("private") ? "private" : "public")
  return {
    title: headed(`Repository ${done(action)}`, nameOf(payload)),
    summary: [
      `${where.charAt(0).toUpperCase()}${where.slice(1)} was ${done(action)} by ${who}.`,
      repositoryChange(payload),
      action === "created" ? `The repository is ${visibility}.` : undefined,
      saying(repository.line("description"), (text) => `Description: ${text}`)
    ],
    url: repository.url("html_url"),
    occurredAt: momentOf(repository, action)
  }
}

const madePublic: Describe = ({ payload, who, where }) => {
  const repository = payload.at("repository")
  if (!repository.isObject) return undefined
  return {
    title: headed("Repository made public", nameOf(payload)),
    summary: [
      `${who} made ${where} public, visible to everyone (open source); it was private before.`,
      saying(repository.line("description"), (text) => `Description: ${text}`)
    ],
    occurredAt: [repository.time("updated_at")]
  }
}

const fork: Describe = ({ payload, who, where }) => {
  const forkee = payload.at("forkee")
  if (!forkee.isObject) return undefined
  return {
    title: headed("Repository forked", forkee.line("full_name")),
    summary: [`${who} forked ${where}.`, saying(forkee.line("full_name"), (name) => `The fork is ${name}.`)],
    url: forkee.url("html_url"),
    occurredAt: [forkee.time("created_at")]
  }
}

const star: Describe = ({ payload, action, who, where }) => {
  if (nameOf(payload) === undefined) return undefined
  const removed = action === "deleted"
  return {
    title: headed(removed ? "Star removed" : "Star added", nameOf(payload)),
    summary: [
      `${who} ${removed ? "removed the star from" : "starred"} ${where}.`,
      saying(payload.line("repository", "stargazers_count"), (count) => `The number of its stars is ${count}.`)
    ],
    occurredAt: [payload.time("starred_at")]
  }
}

const watch: Describe = ({ payload, action, who, where }) =>
  nameOf(payload) === undefined
    ? undefined
    : {
        title: headed(`Watch ${action === "" ? "started" : inWords(action)}`, nameOf(payload)),
        summary: [
          `${who} starred ${where} to follow it (the event "watch").`,
          saying(payload.line("repository", "stargazers_count"), (count) => `The number of its stars is ${count}.`)
        ]
      }

const repositoryImport: Describe = ({ payload, who, where }) => {
  const status = payload.line("status")
  if (status === undefined) return undefined
  const result = outcome(status)
  return {
    title: headed(`Repository import ${result}`, nameOf(payload)),
    summary: [`The import of source code into ${where} ${result}; ${who} started it.`],
    occurredAt: [payload.time("repository", "updated_at")]
  }
}

const packageOf =
  (key: "package" | "registry_package"): Describe =>
  ({ payload, action, who, where }) => {
    const entry = payload.at(key)
    if (!entry.isObject) return undefined
    const version = entry.at("package_version")
    const name = entry.line("name")
    const kind = entry.line("package_type")?.toLowerCase() ?? "unknown"
    return {
      title: headed(
        `Package ${done(action)} (${kind})`,
        [name, version.line("version")].filter((part) => part !== undefined).join(" ") || undefined
      ),
      summary: [
        `The ${kind} package${quoted(name)} of ${where} was ${done(action)} by ${who}.`,
        saying(version.line("version"), (number) => `The version is ${number}.`),
        saying(version.line("installation_command"), (command) => `Install it with: ${command}`),
        saying(entry.prose("description") ?? version.prose("summary"), (text) => `Description: ${text}`)
      ],
      url: version.url("html_url") ?? entry.url("html_url"),
      occurredAt:
        action === "published" ? [version.time("created_at"), entry.time("created_at")] : momentOf(entry, action)
    }
  }

const hookEvents = (hook: Payload) =>
  saying(hook.names(["events"]), (events) => `It listens to the events: ${events === "*" ? "all" : events}.`)

const ping: Describe = ({ payload, who, where }) => {
  const hook = payload.at("hook")
  if (!hook.isObject) return undefined
  return {
    title: headed("Webhook connected", payload.line("zen")),
    summary: [
      `GitHub sent a ping to test the new webhook of ${where}, set up by ${who}.`,
      hookEvents(hook),
      saying(payload.line("zen"), (zen) => `The ping says: ${zen}`)
    ],
    occurredAt: [hook.time("updated_at"), hook.time("created_at")]
  }
}

const meta: Describe = ({ payload, action, who, where }) => {
  const hook = payload.at("hook")
  if (!hook.isObject) return undefined
  return {
    title: headed(`Webhook ${done(action)}`, nameOf(payload)),
    summary: [
      `The webhook of ${where} was ${done(action)} by ${who}; GitHub sends no more events to it.`,
      hookEvents(hook)
    ]
  }
}

const customProperty: Describe = ({ payload, action, who, where }) => {
  const definition = payload.at("definition")
  if (!definition.isObject) return undefined
  return {
    title: headed(`Custom property ${done(action)}`, definition.line("property_name")),
    summary: [
      `The custom property${quoted(definition.line("property_name"))} for the repositories of ${where} was ` +
        `${done(action)} by ${who}.`,
      saying(definition.line("description"), (text) => `Description: ${text}`)
    ]
  }
}

const customPropertyValues: Describe = ({ payload, action, who, where }) => {
  const names = payload.names(["new_property_values"], "property_name")
  if (names === undefined) return undefined
  return {
    title: headed(`Custom property values ${done(action)}`, names),
    summary: [`The values of the custom properties ${names} of ${where} were ${done(action)} by ${who}.`]
  }
}

/** Repositories, what is made of them, and the webhook itself, whose address is never read: it can be a secret. */
export const repositories: Describers = {
  repository,
  public: madePublic,
  fork,
  star,
  watch,
  repository_import: repositoryImport,
  package: packageOf("package"),
  registry_package: packageOf("registry_package"),
  ping,
  meta,
  custom_property: customProperty,
  custom_property_values: customPropertyValues
}
