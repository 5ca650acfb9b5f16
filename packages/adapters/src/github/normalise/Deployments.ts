import { type Describe, type Describers, done, headed, quoted, saying } from "../../normalise/Describe.ts"
import { onBranch, outcome } from "../../normalise/Outcomes.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const environmentOf = (payload: Payload, ...key: ReadonlyArray<string>) =>
  payload.line(...key) ?? "an unnamed environment"

const deployment: Describe = ({ payload, action, who, where }) => {
  const deployment = payload.at("deployment")
  if (!deployment.isObject) return undefined
  const environment = environmentOf(deployment, "environment")
  return {
    title: headed(`Deployment to ${environment} ${done(action)}`, deployment.line("ref")),
    summary: [
      `A deployment of ${deployment.line("ref") ?? "a commit"}${onBranch(undefined, deployment.line("sha"))} to ` +
        `the environment ${environment} in ${where} was ${done(action)} by ${who}.`,
      saying(deployment.line("task"), (task) => `The task is ${task}.`),
      saying(deployment.prose("description"), (text) => `Description: ${text}`)
    ],
    url: payload.url("workflow_run", "html_url"),
    occurredAt: momentOf(deployment, action)
  }
}

const deploymentStatus: Describe = ({ payload, who, where }) => {
  const status = payload.at("deployment_status")
  if (!status.isObject) return undefined
  const deployment = payload.at("deployment")
  const environment = status.line("environment") ?? environmentOf(deployment, "environment")
  const state = outcome(status.line("state"))
  return {
    title: headed(`Deployment to ${environment} ${state}`, deployment.line("ref")),
    summary: [
      `The deployment of ${deployment.line("ref") ?? "a commit"}${onBranch(undefined, deployment.line("sha"))} ` +
        `to the environment ${environment} in ${where} ${state}.`,
      saying(status.prose("description"), (text) => `Description: ${text}`),
      `The deployment status was reported by ${who}.`
    ],
    url: status.url("log_url") ?? status.url("target_url") ?? payload.url("workflow_run", "html_url"),
    occurredAt: [status.time("updated_at"), status.time("created_at")]
  }
}

const deploymentReview: Describe = ({ payload, action, who, where }) => {
  const run = payload.at("workflow_run")
  if (!run.isObject) return undefined
  const environment = environmentOf(payload, "environment")
  return {
    title: headed(
      `Deployment review for ${environment} ${done(action)}`,
      run.line("display_title") ?? run.line("name")
    ),
    summary: [
      `A review of the deployment to the environment ${environment} in ${where} was ${done(action)}; ` +
        `${payload.login("requestor") ?? payload.login("approver") ?? who} acted.`,
      saying(
        payload.names(["reviewers"], "reviewer", "name") ?? payload.names(["reviewers"], "reviewer", "login"),
        (names) => `Reviewers: ${names}.`
      ),
      `The workflow run is${quoted(run.line("name"))}${onBranch(run.line("head_branch"), run.line("head_sha"))}.`,
      saying(payload.prose("comment"), (text) => `Comment: ${text}`)
    ],
    url: run.url("html_url"),
    occurredAt: [payload.time("since"), run.time("updated_at")]
  }
}

const deploymentProtectionRule: Describe = ({ payload, action, who, where }) => {
  const deployment = payload.at("deployment")
  const environment = payload.line("environment") ?? deployment.line("environment")
  if (environment === undefined) return undefined
  return {
    title: `Deployment protection rule for ${environment} ${done(action)}`,
    summary: [
      `The deployment to the environment ${environment} in ${where} waits for a protection rule, ` +
        `${done(action)} by ${who}.`,
      saying(deployment.line("ref"), (ref) => `It deploys ${ref}.`)
    ],
    occurredAt: [deployment.time("updated_at")]
  }
}

const pageBuild: Describe = ({ payload, who, where }) => {
  const build = payload.at("build")
  if (!build.isObject) return undefined
  const state = outcome(build.line("status"))
  return {
    title: headed(`GitHub Pages build ${state}`, build.line("error", "message")),
    summary: [
      `The build of the GitHub Pages site of ${where} ${state}${onBranch(undefined, build.line("commit"))}; ` +
        `${build.login("pusher") ?? who} pushed.`,
      saying(build.prose("error", "message"), (message) => `Error: ${message}`)
    ],
    occurredAt: [build.time("updated_at"), build.time("created_at")]
  }
}

/** Deployments, their states and approvals, and the building of GitHub Pages. */
export const deployments: Describers = {
  deployment,
  deployment_status: deploymentStatus,
  deployment_review: deploymentReview,
  deployment_protection_rule: deploymentProtectionRule,
  page_build: pageBuild
}
