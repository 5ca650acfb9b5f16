import { type Describe, type Describers, done, headed, quoted, refInWords, saying } from "../../normalise/Describe.ts"
import { onBranch, outcome } from "../../normalise/Outcomes.ts"
import type { Payload } from "../../normalise/Payload.ts"

const stateOf = (run: Payload, action: string) =>
  run.line("conclusion") ??
  (action === "completed" ? action : run.line("status")) ??
  (action === "" ? undefined : action)

const finishedAt = (run: Payload, action: string) => [
  ...(action === "completed" ? [run.time("completed_at")] : action === "in_progress" ? [run.time("started_at")] : []),
  run.time("updated_at"),
  run.time("started_at"),
  run.time("created_at")
]

const inTitle = (branch: string | undefined) => (branch === undefined ? "" : ` on ${branch}`)

const report = (run: Payload) =>
  saying(run.line("output", "title"), (title) => headed(`Report: ${title}`, run.prose("output", "summary")))

const checkRun: Describe = ({ payload, action, who, where }) => {
  const run = payload.at("check_run")
  if (!run.isObject) return undefined
  const branch = run.line("check_suite", "head_branch")
  const state = outcome(stateOf(run, action))
  const name = run.line("name")
  return {
    title: `Check${quoted(name)} ${state}${inTitle(branch)}`,
    summary: [
      `The CI check run${quoted(name)} ${state}${onBranch(branch, run.line("head_sha"))} in ${where}.`,
      `The check run was ${done(action)}; ${who} caused it.`,
      saying(run.line("app", "name"), (app) => `It is run by ${app}.`),
      saying(payload.line("requested_action", "identifier"), (id) => `The requested action is ${id}.`),
      report(run)
    ],
    url: run.url("html_url") ?? run.url("details_url"),
    occurredAt: finishedAt(run, action)
  }
}

const checkSuite: Describe = ({ payload, action, who, where }) => {
  const suite = payload.at("check_suite")
  if (!suite.isObject) return undefined
  const branch = suite.line("head_branch")
  const state = outcome(stateOf(suite, action))
  return {
    title: headed(`Check suite ${state}${inTitle(branch)}`, suite.line("head_commit", "message")),
    summary: [
      `The CI check suite${saying(suite.line("app", "name"), (app) => ` of ${app}`) ?? ""} ` +
        `${state}${onBranch(branch, suite.line("head_sha"))} in ${where}.`,
      `The check suite was ${done(action)}; ${who} caused it.`,
      saying(suite.prose("head_commit", "message"), (message) => `Head commit: ${message}`)
    ],
    occurredAt: finishedAt(suite, action)
  }
}

const workflowRun: Describe = ({ payload, action, who, where }) => {
  const run = payload.at("workflow_run")
  if (!run.isObject) return undefined
  const branch = run.line("head_branch")
  const state = outcome(stateOf(run, action))
  const name = run.line("name") ?? payload.line("workflow", "name")
  const number = run.int("run_number")
  return {
    title: headed(
      `Workflow run${quoted(name)} ${state}${inTitle(branch)}`,
      run.line("display_title") ?? run.line("head_commit", "message")
    ),
    summary: [
      `The CI workflow run${quoted(name)}${number === undefined ? "" : ` number ${number}`} ` +
        `${state}${onBranch(branch, run.line("head_sha"))} in ${where}.`,
      saying(
        run.line("event"),
        (event) => `It was started by the event ${event}; ${run.login("triggering_actor") ?? who} caused it.`
      ),
      saying(run.line("path"), (path) => `The workflow file is ${path}.`),
      saying(run.prose("head_commit", "message"), (message) => `Head commit: ${message}`)
    ],
    url: run.url("html_url"),
    occurredAt: [run.time("updated_at"), run.time("run_started_at"), run.time("created_at")]
  }
}

const failedSteps = (job: Payload) => {
  const failed = job
    .list("steps")
    .filter((step) => step.line("conclusion") === "failure")
    .flatMap((step) => step.line("name") ?? [])
  return failed.length === 0 ? undefined : `Failed steps: ${failed.join(", ")}.`
}

const workflowJob: Describe = ({ payload, action, who, where }) => {
  const job = payload.at("workflow_job")
  if (!job.isObject) return undefined
  const branch = job.line("head_branch")
  const state = outcome(stateOf(job, action))
  const workflow = job.line("workflow_name")
  const at = onBranch(branch, job.line("head_sha"))
  const ofWorkflow = workflow === undefined ? "" : ` of the workflow${quoted(workflow)}`
  return {
    title:
      `Workflow job${quoted(job.line("name"))}${workflow === undefined ? "" : ` of${quoted(workflow)}`} ` +
      `${state}${inTitle(branch)}`,
    summary: [
      `The CI job${quoted(job.line("name"))}${ofWorkflow} ${state}${at} in ${where}.`,
      failedSteps(job),
      saying(job.names(["labels"]), (labels) => `It asks for a runner with the labels ${labels}.`),
      saying(job.line("runner_name"), (name) => `It runs on the runner ${name}.`),
      saying(payload.line("deployment", "environment"), (environment) => `It deploys to ${environment}.`),
      `${who} caused it.`
    ],
    url: job.url("html_url"),
    occurredAt: finishedAt(job, action)
  }
}

const inputs = (payload: Payload, key: string) => {
  const names = payload.at(key).keys
  return names.length === 0 ? undefined : `Inputs given: ${names.join(", ")}.`
}

const workflowDispatch: Describe = ({ payload, who, where }) => {
  const workflow = payload.line("workflow")
  if (workflow === undefined) return undefined
  const ref = refInWords(payload.line("ref"))
  return {
    title: `Workflow ${workflow} started by hand on ${ref}`,
    summary: [`${who} started the workflow ${workflow} by hand on the ${ref} of ${where}.`, inputs(payload, "inputs")]
  }
}

const repositoryDispatch: Describe = ({ payload, action, who, where }) => ({
  title: headed("Repository dispatch", action === "" ? undefined : action),
  summary: [
    `${who} sent the custom event${quoted(action === "" ? undefined : action)} (repository dispatch) to ` +
      `${where}${onBranch(payload.line("branch"), undefined)}.`,
    inputs(payload, "client_payload")
  ]
})

const status: Describe = ({ payload, who, where }) => {
  const state = payload.line("state")
  if (state === undefined) return undefined
  const branches = payload.names(["branches"], "name")
  const context = payload.line("context")
  return {
    title: headed(`Commit status${quoted(context)} ${outcome(state)}${inTitle(branches)}`, payload.line("description")),
    summary: [
      `The CI commit status${quoted(context)} ${outcome(state)}${onBranch(undefined, payload.line("sha"))} in ` +
        `${where}.`,
      saying(branches, (names) => `Branches: ${names}.`),
      saying(payload.line("description"), (text) => `Description: ${text}`),
      saying(payload.prose("commit", "commit", "message"), (message) => `Commit: ${message}`),
      `${who} caused it.`
    ],
    url: payload.url("commit", "html_url") ?? payload.url("target_url"),
    occurredAt: [payload.time("updated_at"), payload.time("created_at")]
  }
}

/** Checks, workflows, commit statuses: what failed or succeeded, and on which branch. */
export const pipelines: Describers = {
  check_run: checkRun,
  check_suite: checkSuite,
  workflow_run: workflowRun,
  workflow_job: workflowJob,
  workflow_dispatch: workflowDispatch,
  repository_dispatch: repositoryDispatch,
  status
}
