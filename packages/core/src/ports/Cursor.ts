import { Schema } from "effect"

/** A cursor that we did not make, or that belongs to another list. */
export class CursorError extends Schema.TaggedError<CursorError>()("@devops-mcp/core/ports/Cursor/CursorError", {}) {
  override get message() {
    return "The cursor is not one that this list returned"
  }
}
