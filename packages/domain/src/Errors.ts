import { Schema } from "effect"

/** What was asked for is not there, or is another tenant's: callers cannot tell which. */
export class NotFound extends Schema.TaggedError<NotFound>()("@devops-mcp/domain/Errors/NotFound", {
  resource: Schema.String,
  id: Schema.String
}) {
  override get message() {
    return `No ${this.resource} with the id or name '${this.id}'`
  }
}

/** The request contradicts what is stored, for example a name that is taken. */
export class Conflict extends Schema.TaggedError<Conflict>()("@devops-mcp/domain/Errors/Conflict", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The thing has changed since the caller read it. */
export class StaleVersion extends Schema.TaggedError<StaleVersion>()("@devops-mcp/domain/Errors/StaleVersion", {
  resource: Schema.String,
  id: Schema.String
}) {
  override get message() {
    return `The ${this.resource} has changed since it was read; read it again and repeat the change`
  }
}

/** Input that is well formed but not acceptable. `pointer` is a JSON pointer into the input. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("@devops-mcp/domain/Errors/InvalidInput", {
  pointer: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The caller is known but may not do this. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("@devops-mcp/domain/Errors/Forbidden", {
  requiredScope: Schema.String
}) {
  override get message() {
    return `This needs the scope '${this.requiredScope}'`
  }
}

/** No credential, or one that is not valid. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()(
  "@devops-mcp/domain/Errors/Unauthenticated",
  {
    detail: Schema.String
  }
) {
  override get message() {
    return this.detail
  }
}

/** Signed with the right secret, but not now: an old request sent again, or a clock that is wrong. */
export class StaleSignature extends Schema.TaggedError<StaleSignature>()("@devops-mcp/domain/Errors/StaleSignature", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}
