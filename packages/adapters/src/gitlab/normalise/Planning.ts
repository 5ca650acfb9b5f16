import { type Describe, type Describers, headed, quoted, saying, shortSha } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { changesOf, happened, labelsOf, momentsOf, people, reference } from "./Words.ts"

const issue: Describe = ({ payload, action, who, where }) => {
  const issue = payload.at("object_attributes")
  if (!issue.isObject) return undefined
  const noun = issue.line("type") ?? "Issue"
  return {
    title: headed(`${reference(noun, "#", issue)} ${happened(action)}`, issue.line("title")),
    summary: [
      `The ${reference(noun.toLowerCase(), "#", issue)}${quoted(issue.line("title"))} in ${where} was ` +
        `${happened(action)} by ${who}.`,
      issue.flag("confidential") ? "It is confidential." : undefined,
      changesOf(payload),
      saying(people(payload, "assignees"), (names) => `Assignees: ${names}.`),
      saying(labelsOf(payload), (labels) => `Labels: ${labels}.`),
      saying(issue.line("due_date"), (due) => `It is due on ${due}.`),
      saying(issue.prose("description"), (text) => `Description: ${text}`)
    ],
    url: issue.url("url"),
    occurredAt: momentsOf(issue, action)
  }
}

/** What a comment is on, short for the title and with its own title for the sentence. */
const subjectOf = (payload: Payload): readonly [short: string, long: string] => {
  const of = (key: string, noun: string, mark: "!" | "#"): readonly [string, string] => {
    const thing = payload.at(key)
    const name = reference(noun, mark, thing)
    return [name, `${name}${quoted(thing.line("title"))}`]
  }
  if (payload.at("merge_request").isObject) return of("merge_request", "merge request", "!")
  if (payload.at("issue").isObject) return of("issue", "issue", "#")
  if (payload.at("snippet").isObject) return ["snippet", `snippet${quoted(payload.line("snippet", "title"))}`]
  const commit = shortSha(payload.line("commit", "id"))
  return commit === undefined ? ["something", "project"] : [`commit ${commit}`, `commit ${commit}`]
}

const note: Describe = ({ payload, action, who, where }) => {
  const note = payload.at("object_attributes")
  if (!note.isObject) return undefined
  const [short, long] = subjectOf(payload)
  const outcome = action === "" ? "created" : happened(action)
  return {
    title: headed(`Comment on ${short} ${outcome}`, note.line("note")),
    summary: [
      `A comment on the ${long} in ${where} was ${outcome} by ${who}.`,
      saying(note.line("position", "new_path"), (path) => `It is on the file ${path}.`),
      saying(note.prose("note"), (text) => `Comment: ${text}`)
    ],
    url: note.url("url"),
    occurredAt: momentsOf(note, action === "" ? "create" : action)
  }
}

const milestone: Describe = ({ payload, action, who, where }) => {
  const milestone = payload.at("object_attributes")
  if (!milestone.isObject) return undefined
  return {
    title: headed(`Milestone ${happened(action)}`, milestone.line("title")),
    summary: [
      `The milestone${quoted(milestone.line("title"))} in ${where} was ${happened(action)} by ${who}.`,
      saying(milestone.line("due_date"), (due) => `It is due on ${due}.`),
      saying(milestone.prose("description"), (text) => `Description: ${text}`)
    ],
    occurredAt: momentsOf(milestone, action)
  }
}

/** Issues and other work items, comments, milestones. */
export const planning: Describers = { issue, work_item: issue, note, milestone }
