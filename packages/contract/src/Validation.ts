import { HttpApiMiddleware } from "effect/http-api"
import { BadRequest, InternalError, PayloadTooLarge, UnsupportedMediaType } from "./Problems.ts"

/** Turns requests that do not fit their schema into problems with a JSON pointer for each fault. */
export class Validation extends HttpApiMiddleware.Service<Validation>()("@devops-mcp/contract/Validation", {
  error: [BadRequest, PayloadTooLarge, UnsupportedMediaType, InternalError]
}) {}
