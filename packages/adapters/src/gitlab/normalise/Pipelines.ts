import { type Describe, type Describers, headed, inWords, quoted, saying } from "../../normalise/Describe.ts"
import { onBranch, outcome } from "../../normalise/Outcomes.ts"
import type { Payload } from "../../normalise/Payload.ts"

const onRef = (ref: string | undefined) => (ref === undefined ? "" : ` on ${ref}`)

const atRef = (ref: string | undefined, isTag: boolean, sha: string | undefined) =>
  isTag && ref !== undefined ? ` for the tag ${ref}${onBranch(undefined, sha)}` : onBranch(ref, sha)

const failedJobs = (payload: Payload) => {
  const failed = payload
    .list("builds")
    .filter((job) => job.line("status") === "failed")
    .flatMap((job) => job.line("name") ?? [])
  return failed.length === 0 ? undefined : `Failed jobs: ${failed.join(", ")}.`
}

const took = (seconds: string | undefined) => saying(seconds, (duration) => `It took ${duration} seconds.`)

const pipeline: Describe = ({ payload, who, where }) => {
  const pipeline = payload.at("object_attributes")
  if (!pipeline.isObject) return undefined
  const ref = pipeline.line("ref")
  const state = outcome(pipeline.line("status"))
  const name = pipeline.line("name")
  const id = pipeline.line("id")
  return {
    title: headed(
      `Pipeline${quoted(name)}${id === undefined ? "" : ` #${id}`} ${state}${onRef(ref)}`,
      payload.line("commit", "title") ?? payload.line("commit", "message")
    ),
    summary: [
      `The CI pipeline${quoted(name)}${id === undefined ? "" : ` ${id}`} ` +
        `${state}${atRef(ref, pipeline.flag("tag"), pipeline.line("sha"))} in ${where}; ${who} caused it.`,
      saying(pipeline.line("source"), (source) => `It was started by ${inWords(source)}.`),
      saying(pipeline.names(["stages"]), (stages) => `Stages: ${stages}.`),
      failedJobs(payload),
      took(pipeline.line("duration")),
      saying(
        payload.line("merge_request", "title"),
        (title) => `It belongs to the merge request !${payload.line("merge_request", "iid") ?? "?"} "${title}".`
      ),
      saying(payload.prose("commit", "message"), (message) => `Commit: ${message}`)
    ],
    url: pipeline.url("url"),
    occurredAt: [pipeline.time("finished_at"), pipeline.time("created_at")]
  }
}

const job: Describe = ({ payload, who, where }) => {
  const name = payload.line("build_name")
  if (name === undefined) return undefined
  const ref = payload.line("ref")
  const state = outcome(payload.line("build_status"))
  return {
    title: headed(
      `Job${quoted(name)}${saying(payload.line("build_stage"), (stage) => ` of stage ${stage}`) ?? ""} ` +
        `${state}${onRef(ref)}`,
      payload.line("commit", "title") ?? payload.line("commit", "message")
    ),
    summary: [
      `The CI job${quoted(name)} ${state}${atRef(ref, payload.flag("tag"), payload.line("sha"))} in ${where}; ` +
        `${who} caused it.`,
      payload.line("build_status") === "failed"
        ? saying(payload.line("build_failure_reason"), (reason) => `The reason is: ${inWords(reason)}.`)
        : undefined,
      saying(payload.line("pipeline_id"), (id) => `It is part of the pipeline ${id}.`),
      took(payload.line("build_duration")),
      saying(payload.line("environment", "name"), (environment) => `It deploys to ${environment}.`),
      saying(payload.line("runner", "description"), (runner) => `It runs on the runner ${runner}.`),
      saying(payload.prose("commit", "message"), (message) => `Commit: ${message}`)
    ],
    occurredAt: [payload.time("build_finished_at"), payload.time("build_started_at"), payload.time("build_created_at")]
  }
}

const deployment: Describe = ({ payload, who, where }) => {
  const environment = payload.line("environment")
  if (environment === undefined) return undefined
  const ref = payload.line("ref")
  const state = outcome(payload.line("status"))
  return {
    title: headed(`Deployment to ${environment} ${state}`, payload.line("commit_title") ?? ref),
    summary: [
      `The deployment of ${ref ?? "a commit"}${onBranch(undefined, payload.line("short_sha"))} to the environment ` +
        `${environment} in ${where} ${state}; ${who} caused it.`,
      saying(payload.line("commit_title"), (title) => `Commit: ${title}`),
      saying(payload.url("environment_external_url"), (url) => `What is deployed is at ${url}.`)
    ],
    url: payload.url("deployable_url") ?? payload.url("commit_url"),
    occurredAt: [payload.time("status_changed_at")]
  }
}

/** Pipelines, their jobs, and deployments. */
export const pipelines: Describers = { pipeline, build: job, job, deployment }
