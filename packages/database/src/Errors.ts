import { Schema } from "effect"

/** The innermost cause of a failure in one line: those around it only say that there is one. */
export const reasonOf = (error: Error): string => {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  return inner instanceof Error ? reasonOf(inner) : (error.message || error.name).trim().replaceAll(/\s+/g, " ")
}

/** The server does not answer, refuses us, or has no such database. */
export class DatabaseUnreachable extends Schema.TaggedError<DatabaseUnreachable>()(
  "@devops-mcp/database/Errors/DatabaseUnreachable",
  { address: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `The database at ${this.address} cannot be reached (${this.detail}): check DATABASE_URL and that the server runs`
  }
}

/** The server answers but lacks what we need. */
export class DatabaseUnsupported extends Schema.TaggedError<DatabaseUnsupported>()(
  "@devops-mcp/database/Errors/DatabaseUnsupported",
  { address: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `The database at ${this.address} cannot be used: ${this.detail}`
  }
}

/** The schema is older than this program, or newer. */
export class SchemaOutdated extends Schema.TaggedError<SchemaOutdated>()("@devops-mcp/database/Errors/SchemaOutdated", {
  found: Schema.Int,
  expected: Schema.Int
}) {
  override get message() {
    return this.found < this.expected
      ? `The database's schema is at version ${this.found} and this program needs ${this.expected}: run 'devops-mcp migrate'`
      : `The database's schema is at version ${this.found}, newer than this program's ${this.expected}: upgrade the program`
  }
}

/** A migration did not work; nothing of it was kept. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()(
  "@devops-mcp/database/Errors/MigrationFailed",
  { detail: Schema.String, cause: Schema.Defect() }
) {
  override get message() {
    return `The database's schema could not be brought up to date: ${this.detail}`
  }
}
