import { HttpApiMiddleware } from "effect/http-api"
import {
  BadRequest,
  InternalError,
  NotFound,
  PayloadTooLarge,
  RequestTimeout,
  Unavailable,
  UnsupportedMediaType
} from "./Problems.ts"

/**
 * Turns requests that do not fit their schema into problems with a JSON pointer for each fault, and defects into a 500
 * that tells nothing. An id in the path that cannot be one is a 404, like one that is not there.
 */
export class Validation extends HttpApiMiddleware.Service<Validation>()("@devops-mcp/contract/Validation", {
  error: [BadRequest, NotFound, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, InternalError, Unavailable]
}) {}
