import { type Describe, type Describers, done, headed, inWords, quoted, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const verb = (action: string) =>
  action === "added" ? "added as" : action === "removed" ? "removed as" : `${done(action)} as`

const permission = (payload: Payload) => {
  const before = payload.line("changes", "old_permission", "from") ?? payload.line("changes", "permission", "from")
  const after = payload.line("changes", "permission", "to") ?? payload.line("changes", "role_name", "to")
  if (before === undefined && after === undefined) return undefined
  return `The permission was ${before ?? "none"} before${after === undefined ? "" : ` and is ${after} now`}.`
}

const member: Describe = ({ payload, action, who, where }) => {
  const login = payload.login("member")
  if (login === undefined) return undefined
  const change =
    action === "edited" ? `The permissions of the collaborator ${login} on ${where} were edited by ${who}.` : undefined
  const preposition = action === "removed" ? "from" : "to"
  return {
    title: headed(`Collaborator ${login} ${done(action)}`, payload.line("repository", "full_name")),
    summary: [
      change ?? `${login} was ${verb(action)} a collaborator ${preposition} ${where} by ${who}.`,
      permission(payload) ?? (action === "added" ? `${login} got access to the repository, as a member.` : undefined)
    ],
    url: payload.url("repository", "html_url") ?? payload.url("member", "html_url")
  }
}

const membership: Describe = ({ payload, action, who, where }) => {
  const login = payload.login("member")
  if (login === undefined) return undefined
  const team = payload.line("team", "name")
  return {
    title: headed(`Team member ${login} ${done(action)}`, team),
    summary: [
      `${login} was ${verb(action)} a member ${action === "removed" ? "from" : "of"} the team${quoted(team)} in ` +
        `${where} by ${who}.`,
      saying(payload.line("team", "description"), (text) => `The team: ${text}`)
    ],
    url: payload.url("team", "html_url") ?? payload.url("member", "html_url")
  }
}

const organizationActions = new Map([
  ["member_added", "added to"],
  ["member_removed", "removed from"],
  ["member_invited", "invited to"]
])

const organization: Describe = ({ payload, action, who, where }) => {
  if (!payload.at("organization").isObject) return undefined
  const login = payload.login("membership", "user") ?? payload.login("user") ?? payload.login("invitation")
  const moved = organizationActions.get(action)
  const person = login === undefined || moved === undefined ? undefined : `${login} was ${moved} ${where} by ${who}.`
  return {
    title:
      person === undefined
        ? headed(`Organization ${done(action)}`, payload.login("organization"))
        : `Member ${login} ${moved} ${payload.login("organization") ?? "the organization"}`,
    summary: [
      person ?? `${where.charAt(0).toUpperCase()}${where.slice(1)} was ${done(action)} by ${who}.`,
      saying(payload.line("changes", "login", "from"), (from) => `Its name was ${from} before.`),
      saying(
        payload.line("membership", "role") ?? payload.line("invitation", "role"),
        (role) => `The role is ${inWords(role)}.`
      ),
      saying(payload.line("membership", "state"), (state) => `The membership is ${state}.`)
    ],
    url: payload.url("organization", "html_url") ?? payload.url("membership", "user", "html_url"),
    occurredAt: [payload.time("invitation", "created_at")]
  }
}

const orgBlock: Describe = ({ payload, action, who, where }) => {
  const login = payload.login("blocked_user")
  if (login === undefined) return undefined
  return {
    title: `User ${login} ${done(action)}`,
    summary: [`The user ${login} was ${done(action)} ${action === "unblocked" ? "in" : "from"} ${where} by ${who}.`],
    url: payload.url("blocked_user", "html_url")
  }
}

const team: Describe = ({ payload, action, who, where }) => {
  const team = payload.at("team")
  if (!team.isObject) return undefined
  return {
    title: headed(`Team ${done(action)}`, team.line("name")),
    summary: [
      `The team${quoted(team.line("name"))} was ${done(action)} by ${who}, in ${where}.`,
      saying(team.line("permission"), (name) => `Its permission is ${name}.`),
      saying(team.line("description"), (text) => `The team: ${text}`)
    ],
    url: team.url("html_url")
  }
}

const teamAdd: Describe = ({ payload, who, where }) => {
  const team = payload.at("team")
  if (!team.isObject) return undefined
  return {
    title: headed("Team added to repository", team.line("name")),
    summary: [
      `The team${quoted(team.line("name"))} was added to ${where} by ${who} and has access to it now.`,
      saying(team.line("permission"), (name) => `Its permission is ${name}.`)
    ],
    url: team.url("html_url")
  }
}

const accountOf = (installation: Payload) => installation.login("account") ?? "an account"

const installation: Describe = ({ payload, action, who }) => {
  const installation = payload.at("installation")
  if (!installation.isObject) return undefined
  const app = saying(installation.line("app_slug"), (slug) => `the GitHub App ${slug}`) ?? "a GitHub App"
  const moments =
    action === "created"
      ? ["created_at"]
      : action === "suspend"
        ? ["suspended_at"]
        : action === "deleted"
          ? []
          : ["updated_at"]
  return {
    title: headed(`App installation ${done(action)}`, accountOf(installation)),
    summary: [
      `The installation of ${app} on the account ${accountOf(installation)} was ${done(action)} by ${who}.`,
      saying(payload.names(["repositories"], "full_name"), (names) => `Repositories: ${names}.`),
      installation.at("permissions").keys.length === 0
        ? undefined
        : `Permissions on: ${installation.at("permissions").keys.map(inWords).join(", ")}.`
    ],
    url: installation.url("html_url"),
    occurredAt: moments.map((moment) => installation.time(moment))
  }
}

const installationRepositories: Describe = ({ payload, action, who }) => {
  const installation = payload.at("installation")
  if (!installation.isObject) return undefined
  const added = payload.names(["repositories_added"], "full_name")
  const removed = payload.names(["repositories_removed"], "full_name")
  return {
    title: headed(`App installation repositories ${done(action)}`, added ?? removed),
    summary: [
      `Repositories were ${done(action)} ${action === "removed" ? "from" : "to"} the GitHub App installation of ` +
        `${accountOf(installation)} by ${who}.`,
      saying(added, (names) => `Added repositories: ${names}.`),
      saying(removed, (names) => `Removed repositories: ${names}.`)
    ],
    url: installation.url("html_url"),
    occurredAt: [installation.time("updated_at")]
  }
}

const installationTarget: Describe = ({ payload, action, who }) => {
  const account = payload.login("account")
  if (account === undefined) return undefined
  return {
    title: headed(`App installation target ${done(action)}`, account),
    summary: [
      `The account ${account}, where a GitHub App is installed, was ${done(action)} by ${who}.`,
      saying(payload.line("changes", "login", "from"), (from) => `Its name was ${from} before.`)
    ],
    url: payload.url("account", "html_url")
  }
}

const appAuthorization: Describe = ({ payload, action, who }) =>
  payload.at("sender").isObject
    ? {
        title: `App authorization ${done(action)} by ${who}`,
        summary: [
          `${who} ${action === "revoked" ? "revoked" : inWords(action)} the authorization of the GitHub App to ` +
            `act for the user.`
        ],
        url: payload.url("sender", "html_url")
      }
    : undefined

const tokenRequest: Describe = ({ payload, action, who, where }) => {
  const request = payload.at("personal_access_token_request")
  if (!request.isObject) return undefined
  const owner = request.login("owner") ?? who
  return {
    title: `Personal access token request ${done(action)} for ${owner}`,
    summary: [
      `A request of ${owner} for a fine-grained personal access token to ${where} was ${done(action)} by ${who}.`
    ],
    occurredAt: momentOf(request, action)
  }
}

/** Who belongs to what, and which apps may act: collaborators, teams, organizations, app installations. */
export const people: Describers = {
  member,
  membership,
  organization,
  org_block: orgBlock,
  team,
  team_add: teamAdd,
  installation,
  installation_repositories: installationRepositories,
  installation_target: installationTarget,
  github_app_authorization: appAuthorization,
  personal_access_token_request: tokenRequest
}
