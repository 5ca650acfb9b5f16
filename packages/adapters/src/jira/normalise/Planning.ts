import { type Describe, type Describers, done, headed, quoted, saying } from "../../normalise/Describe.ts"

const sprint: Describe = ({ payload, action, who, where }) => {
  const sprint = payload.at("sprint")
  if (!sprint.isObject) return undefined
  return {
    title: headed(`Sprint ${done(action)}`, sprint.line("name")),
    summary: [
      `The sprint${quoted(sprint.line("name"))} in ${where} was ${done(action)} by ${who}.`,
      saying(sprint.line("state"), (state) => `Its state is ${state}.`),
      saying(
        sprint.line("startDate"),
        (start) => `It lasts from ${start.slice(0, 10)} to ${sprint.line("endDate")?.slice(0, 10) ?? "an open end"}.`
      ),
      saying(sprint.prose("goal"), (goal) => `Goal: ${goal}`)
    ],
    occurredAt: [payload.time("timestamp")]
  }
}

const version: Describe = ({ payload, action, who, where }) => {
  const version = payload.at("version")
  if (!version.isObject) return undefined
  return {
    title: headed(`Version ${done(action)}`, version.line("name")),
    summary: [
      `The version${quoted(version.line("name"))}, a release of a project in ${where}, was ${done(action)} by ${who}.`,
      version.flag("released") ? "It is released." : "It is not released.",
      saying(version.line("releaseDate"), (date) => `Its release date is ${date}.`),
      saying(version.prose("description"), (text) => `Description: ${text}`)
    ],
    occurredAt: [payload.time("timestamp")]
  }
}

const project: Describe = ({ payload, action, who }) => {
  const project = payload.at("project")
  if (!project.isObject) return undefined
  return {
    title: headed(`Project ${done(action)}`, project.line("name") ?? project.line("key")),
    summary: [
      `The project${quoted(project.line("name"))} with the key ${project.line("key") ?? "unknown"} was ` +
        `${done(action)} by ${who}.`,
      saying(project.line("projectLead", "displayName"), (name) => `Its lead is ${name}.`)
    ],
    occurredAt: [payload.time("timestamp")]
  }
}

const board: Describe = ({ payload, action, who, where }) => {
  const board = payload.at("board")
  if (!board.isObject) return undefined
  return {
    title: headed(`Board ${done(action)}`, board.line("name")),
    summary: [`The board${quoted(board.line("name"))} in ${where} was ${done(action)} by ${who}.`],
    occurredAt: [payload.time("timestamp")]
  }
}

/** Sprints, versions, projects and boards. */
export const planning: Describers = { sprint, version, project, board }
