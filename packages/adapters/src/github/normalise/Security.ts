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

const packageName = (entry: Payload) => {
  const name = entry.line("package", "name")
  const ecosystem = entry.line("package", "ecosystem")
  return name === undefined || ecosystem === undefined ? name : `${name} (${ecosystem})`
}

const severe = (severity: string | undefined) => (severity === undefined ? "" : `, ${severity} severity`)

const identifiers = (advisory: Payload) => {
  const ids = [advisory.line("ghsa_id"), advisory.line("cve_id")].filter((id) => id !== undefined)
  return ids.length === 0 ? undefined : `Identifiers: ${ids.join(", ")}.`
}

const affected = (entry: Payload) => {
  const range = entry.line("vulnerable_version_range")
  if (range === undefined) return undefined
  const patched = entry.line("first_patched_version", "identifier")
  return (
    `Vulnerable versions of ${packageName(entry) ?? "the package"}: ${range}; ` +
    `${patched === undefined ? "there is no patched version" : `fixed in ${patched}`}.`
  )
}

const dismissal = (alert: Payload) =>
  saying(alert.line("dismissed_reason"), (reason) =>
    headed(`It was dismissed: ${inWords(reason)}`, alert.line("dismissed_comment"))
  )

const dependabotAlert: Describe = ({ payload, action, who, where }) => {
  const alert = payload.at("alert")
  if (!alert.isObject) return undefined
  const advisory = alert.at("security_advisory")
  const vulnerability = alert.at("security_vulnerability")
  const name = packageName(alert.at("dependency")) ?? packageName(vulnerability) ?? "a dependency"
  const severity = vulnerability.line("severity") ?? advisory.line("severity")
  return {
    title: headed(
      `${numbered("Dependabot alert", alert.int("number"))} ${done(action)} for ${name}${severe(severity)}`,
      advisory.line("summary")
    ),
    summary: [
      `The Dependabot alert about the vulnerable dependency ${name} in ${where} was ${done(action)} by ` +
        `${who}${severe(severity)}.`,
      identifiers(advisory),
      saying(alert.line("dependency", "manifest_path"), (path) => `The manifest is ${path}.`),
      affected(vulnerability),
      dismissal(alert),
      saying(advisory.prose("description"), (text) => `Description: ${text}`)
    ],
    url: alert.url("html_url"),
    occurredAt: momentOf(alert, action)
  }
}

const repositoryVulnerabilityAlert: Describe = ({ payload, action, who, where }) => {
  const alert = payload.at("alert")
  if (!alert.isObject) return undefined
  const name = alert.line("affected_package_name") ?? "a dependency"
  const severity = alert.line("severity")
  return {
    title: headed(
      `Vulnerability alert ${done(action)} for ${name}${severe(severity)}`,
      alert.line("external_identifier")
    ),
    summary: [
      `The security vulnerability alert about the dependency ${name} in ${where} was ${done(action)} by ` +
        `${alert.login("dismisser") ?? who}${severe(severity)}.`,
      saying(
        alert.line("affected_range"),
        (range) => `Vulnerable versions: ${range}; fixed in ${alert.line("fixed_in") ?? "no version yet"}.`
      ),
      saying(
        alert.line("external_identifier"),
        (id) => `Identifiers: ${[id, alert.line("ghsa_id")].filter((one) => one !== undefined).join(", ")}.`
      ),
      saying(alert.line("dismiss_reason"), (reason) => `It was dismissed: ${reason}.`)
    ],
    url: alert.url("external_reference"),
    occurredAt:
      action === "dismiss" ? [alert.time("dismissed_at")] : momentOf(alert, action === "create" ? "created" : action)
  }
}

const codeScanningAlert: Describe = ({ payload, action, who, where }) => {
  const alert = payload.at("alert")
  if (!alert.isObject) return undefined
  const rule = alert.at("rule")
  const location = alert.at("most_recent_instance", "location")
  const severity = rule.line("security_severity_level") ?? rule.line("severity")
  return {
    title: headed(
      `${numbered("Code scanning alert", alert.int("number"))} ${done(action)}${severe(severity)}`,
      rule.line("description") ?? rule.line("id")
    ),
    summary: [
      `The code scanning alert${quoted(rule.line("description") ?? rule.line("id"))} in ${where} was ` +
        `${done(action)} by ${who}${severe(severity)}.`,
      saying(
        alert.line("tool", "name"),
        (tool) =>
          `It was found by ${tool} with the rule ` +
          `${rule.line("id") ?? "unknown"}${saying(payload.line("ref"), (ref) => ` on ${ref}`) ?? ""}.`
      ),
      saying(location.line("path"), (path) => `The code is in ${path}, line ${location.int("start_line") ?? 1}.`),
      dismissal(alert),
      saying(rule.prose("full_description"), (text) => `Description: ${text}`)
    ],
    url: alert.url("html_url"),
    occurredAt: action === "closed_by_user" ? [alert.time("dismissed_at")] : momentOf(alert, action)
  }
}

const secretKind = (alert: Payload) => alert.line("secret_type_display_name") ?? alert.line("secret_type") ?? "a secret"

const secretScanningAlert: Describe = ({ payload, action, who, where }) => {
  const alert = payload.at("alert")
  if (!alert.isObject) return undefined
  return {
    title: headed(
      `${numbered("Secret scanning alert", alert.int("number"))} ${done(action)}`,
      inWords(secretKind(alert))
    ),
    summary: [
      `The secret scanning alert about a leaked credential of the kind ${inWords(secretKind(alert))} in ` +
        `${where} was ${done(action)} by ${alert.login("resolved_by") ?? who}.`,
      saying(alert.line("resolution"), (resolution) => `The resolution is ${inWords(resolution)}.`),
      alert.flag("push_protection_bypassed") ? "Push protection was bypassed." : undefined
    ],
    url: alert.url("html_url"),
    occurredAt: momentOf(alert, action)
  }
}

const secretScanningAlertLocation: Describe = ({ payload, action, who, where }) => {
  const alert = payload.at("alert")
  const location = payload.at("location")
  if (!alert.isObject && !location.isObject) return undefined
  return {
    title: headed(
      `Location of ${numbered("secret scanning alert", alert.int("number"))} ${done(action)}`,
      location.line("details", "path") ?? saying(location.line("type"), inWords)
    ),
    summary: [
      `A place where a leaked credential of the kind ${inWords(secretKind(alert))} was found in ${where} was ` +
        `${done(action)}; ${who} caused it.`,
      saying(
        location.line("details", "path"),
        (path) => `It is in the file ${path}, line ${location.int("details", "start_line") ?? 1}.`
      )
    ],
    url: alert.url("html_url"),
    occurredAt: [alert.time("updated_at"), alert.time("created_at")]
  }
}

const advisory =
  (noun: string, key: string): Describe =>
  ({ payload, action, where }) => {
    const advisory = payload.at(key)
    if (!advisory.isObject) return undefined
    const packages = [...new Set(advisory.list("vulnerabilities").flatMap((entry) => packageName(entry) ?? []))].join(
      ", "
    )
    const severity = advisory.line("severity")
    return {
      title: headed(
        `${noun} ${done(action)}${packages === "" ? "" : ` for ${packages}`}${severe(severity)}`,
        advisory.line("summary")
      ),
      summary: [
        `The security advisory about a vulnerability${packages === "" ? "" : ` in ${packages}`} was ` +
          `${done(action)} on ${where}${severe(severity)}.`,
        identifiers(advisory),
        ...advisory.list("vulnerabilities").slice(0, 3).map(affected),
        saying(advisory.prose("description"), (text) => `Description: ${text}`)
      ],
      url: advisory.url("html_url") ?? advisory.list("references")[0]?.url("url"),
      occurredAt: momentOf(advisory, action)
    }
  }

const securityAndAnalysis: Describe = ({ payload, who, where }) => {
  if (!payload.at("changes").isObject) return undefined
  const features = payload.at("changes", "from", "security_and_analysis").keys.map(inWords)
  return {
    title: "Security and analysis settings changed",
    summary: [
      `${who} changed the security and analysis settings of ${where}.`,
      features.length === 0 ? undefined : `Features: ${features.join(", ")}.`
    ]
  }
}

/** Vulnerable dependencies, findings in code, leaked secrets. The secret itself is never read. */
export const security: Describers = {
  dependabot_alert: dependabotAlert,
  repository_vulnerability_alert: repositoryVulnerabilityAlert,
  code_scanning_alert: codeScanningAlert,
  secret_scanning_alert: secretScanningAlert,
  secret_scanning_alert_location: secretScanningAlertLocation,
  security_advisory: advisory("Security advisory", "security_advisory"),
  repository_advisory: advisory("Repository security advisory", "repository_advisory"),
  security_and_analysis: securityAndAnalysis
}
