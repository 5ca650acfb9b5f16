import { Schema } from "effect"

/** Another live process owns the home folder; two backends on one data directory would destroy it. */
export class HomeInUse extends Schema.TaggedError<HomeInUse>()("@devops-mcp/database/embedded/Errors/HomeInUse", {
  home: Schema.String,
  pid: Schema.Int
}) {
  override get message() {
    return `The home folder ${this.home} is in use by process ${this.pid}: stop that process, or choose another folder`
  }
}

/** The home folder cannot be made or written to. */
export class HomeNotWritable extends Schema.TaggedError<HomeNotWritable>()(
  "@devops-mcp/database/embedded/Errors/HomeNotWritable",
  { home: Schema.String, cause: Schema.Defect() }
) {
  override get message() {
    return `The home folder ${this.home} cannot be written to: make it writable for this user, or choose another folder`
  }
}

/** The data directory is there, but no database can be opened on it. */
export class DataDirectoryUnusable extends Schema.TaggedError<DataDirectoryUnusable>()(
  "@devops-mcp/database/embedded/Errors/DataDirectoryUnusable",
  { directory: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `The database in ${this.directory} cannot be opened (${this.detail}): restore a backup, or move it away`
  }
}

/** The image that a new database was to start from cannot be used. */
export class TemplateUnusable extends Schema.TaggedError<TemplateUnusable>()(
  "@devops-mcp/database/embedded/Errors/TemplateUnusable",
  { detail: Schema.String }
) {
  override get message() {
    return `A new database cannot be made: ${this.detail}`
  }
}

/** The image of the running database could not be written. */
export class DumpFailed extends Schema.TaggedError<DumpFailed>()("@devops-mcp/database/embedded/Errors/DumpFailed", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The database could not be written to ${this.path}: ${this.detail}`
  }
}
