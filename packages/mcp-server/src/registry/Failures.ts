import type { Forbidden, InvalidInput, NotFound, StaleVersion } from "@devops-mcp/domain/Errors"
import type { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import type { QueueError } from "@devops-mcp/core/ports/JobQueue"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type Cause, Match, type Schema, SchemaIssue } from "effect"
import type { ToolError } from "./RegisteredTool.ts"

/** Every way in which a known tool can refuse or fail. */
export type CallFailure =
  | Schema.SchemaError
  | NotFound
  | Forbidden
  | InvalidInput
  | StaleVersion
  | CursorError
  | StoreError
  | EmbedderError
  | QueueError
  | Cause.TimeoutError

/** Faults of the arguments that one answer names, and how much of each: values in them can be as long as the input. */
const faultsShown = 5
const faultLength = 300

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const faultsOf = (error: Schema.SchemaError): string => {
  const { issues } = issuesOf(error.issue)
  const shown = issues.slice(0, faultsShown).map(({ message, path = [] }) => {
    const pointer = path.map((segment) => `/${String(typeof segment === "object" ? segment.key : segment)}`).join("")
    return `${pointer === "" ? "arguments" : pointer}: ${message}`.slice(0, faultLength)
  })
  const hidden = issues.length - shown.length
  return `${shown.join("; ")}${hidden > 0 ? `; and ${hidden} more` : ""}`
}

const unavailable = (what: string, retryable: boolean): ToolError => ({
  code: "unavailable",
  detail: retryable ? `${what}. Try again in a few seconds.` : `${what}. Trying again will not help.`,
  retryable
})

/** The one place where failures become words for agents. */
export const toolErrorOf: (failure: CallFailure) => ToolError = Match.typeTags<CallFailure>()({
  SchemaError: (error) => ({
    code: "invalid_arguments",
    detail: `The arguments do not fit the tool's inputSchema: ${faultsOf(error)}`,
    retryable: false
  }),
  "@devops-mcp/domain/Errors/NotFound": ({ message }) => ({ code: "not_found", detail: message, retryable: false }),
  "@devops-mcp/domain/Errors/Forbidden": ({ message }) => ({
    code: "forbidden",
    detail: `${message}, which your credential does not have.`,
    retryable: false
  }),
  "@devops-mcp/domain/Errors/InvalidInput": ({ detail, pointer }) => ({
    code: "invalid_arguments",
    detail: `${pointer}: ${detail}`,
    retryable: false
  }),
  "@devops-mcp/domain/Errors/StaleVersion": ({ message }) => ({ code: "stale", detail: message, retryable: true }),
  "@devops-mcp/core/ports/Cursor/CursorError": ({ message }) => ({
    code: "invalid_arguments",
    detail: `/cursor: ${message}. Leave it out to start with the first page.`,
    retryable: false
  }),
  "@devops-mcp/core/ports/StoreError": ({ retryable }) => unavailable("The database did not answer", retryable),
  "@devops-mcp/core/ports/Embedder/EmbedderError": ({ retryable }) =>
    unavailable("The embedding model did not answer", retryable),
  "@devops-mcp/core/ports/JobQueue/QueueError": ({ retryable }) =>
    unavailable("The job queue did not answer", retryable),
  TimeoutError: () => ({ code: "timeout", detail: "The tool took too long and was stopped.", retryable: true })
})
