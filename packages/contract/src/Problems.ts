import { Schema } from "effect"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { HttpApiError } from "effect/http-api"
import { ActionPreview } from "./ActionPreview.ts"

/** Where in the request something is wrong: a JSON pointer whose first segment is body, query, path or headers. */
export const ProblemDetail = Schema.Struct({ pointer: Schema.String, detail: Schema.String })
export type ProblemDetail = typeof ProblemDetail.Type

/** What every problem carries beside RFC 9457's own members. `code` is stable and for programs. */
const members = { code: Schema.String, requestId: Schema.String }

const type = <const Code extends string>(code: Code): `urn:devops-mcp:problem:${Code}` =>
  `urn:devops-mcp:problem:${code}`

/** 400: the request is not well formed; `errors` says where. */
export class BadRequest extends HttpApiError.Problem<BadRequest>()(
  "BadRequest",
  { type: type("bad-request"), status: 400, title: "The request is not valid" },
  { ...members, errors: Schema.optionalKey(Schema.Array(ProblemDetail)) }
) {}

export class Unauthorized extends HttpApiError.Problem<Unauthorized>()(
  "Unauthorized",
  { type: type("unauthorized"), status: 401, title: "A valid credential is needed" },
  members
) {}

export class Forbidden extends HttpApiError.Problem<Forbidden>()(
  "Forbidden",
  { type: type("forbidden"), status: 403, title: "The credential does not allow this" },
  members
) {}

export class NotFound extends HttpApiError.Problem<NotFound>()(
  "NotFound",
  { type: type("not-found"), status: 404, title: "Not found" },
  members
) {}

export class MethodNotAllowed extends HttpApiError.Problem<MethodNotAllowed>()(
  "MethodNotAllowed",
  { type: type("method-not-allowed"), status: 405, title: "The address does not offer this method" },
  members
) {}

/** 408: the request's body did not arrive in time. */
export class RequestTimeout extends HttpApiError.Problem<RequestTimeout>()(
  "RequestTimeout",
  { type: type("request-timeout"), status: 408, title: "The request did not arrive in time" },
  members
) {}

export class Conflict extends HttpApiError.Problem<Conflict>()(
  "Conflict",
  { type: type("conflict"), status: 409, title: "The request contradicts what is stored" },
  members
) {}

/** 412: `If-Match` names another version than the stored one. */
export class PreconditionFailed extends HttpApiError.Problem<PreconditionFailed>()(
  "PreconditionFailed",
  { type: type("precondition-failed"), status: 412, title: "The resource has changed since it was read" },
  members
) {}

export class PayloadTooLarge extends HttpApiError.Problem<PayloadTooLarge>()(
  "PayloadTooLarge",
  { type: type("payload-too-large"), status: 413, title: "The request body is too large" },
  members
) {}

export class UriTooLong extends HttpApiError.Problem<UriTooLong>()(
  "UriTooLong",
  { type: type("uri-too-long"), status: 414, title: "The address is too long" },
  members
) {}

export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { type: type("unsupported-media-type"), status: 415, title: "The body's content type is not supported" },
  members
) {}

/** 422: well formed, but its content is not acceptable. */
export class Unprocessable extends HttpApiError.Problem<Unprocessable>()(
  "Unprocessable",
  { type: type("unprocessable"), status: 422, title: "The request cannot be carried out" },
  { ...members, errors: Schema.optionalKey(Schema.Array(ProblemDetail)) }
) {}

/** 426: here is a WebSocket, and the request does not ask for one. */
export class UpgradeRequired extends HttpApiError.Problem<UpgradeRequired>()(
  "UpgradeRequired",
  { type: type("upgrade-required"), status: 426, title: "The address speaks another protocol" },
  members
) {}

/** 428: a destructive action was not run. The same request with the token in its body runs it, once. */
export class ConfirmationRequired extends HttpApiError.Problem<ConfirmationRequired>()(
  "ConfirmationRequired",
  { type: type("confirmation-required"), status: 428, title: "The action cannot be undone and must be confirmed" },
  { ...members, preview: ActionPreview, confirmationToken: Schema.String, expiresAt: Timestamp }
) {}

/** 429: `Retry-After` says when to ask again; `limit` which limit it is. */
export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()(
  "TooManyRequests",
  { type: type("too-many-requests"), status: 429, title: "Too many requests" },
  { ...members, limit: Schema.Literals(["address", "credential", "tenant", "concurrency", "login"]) }
) {}

export class InternalError extends HttpApiError.Problem<InternalError>()(
  "InternalError",
  { type: type("internal-error"), status: 500, title: "Something went wrong on our side" },
  members
) {}

/** 503: something we need does not answer; the same request may succeed later. */
export class Unavailable extends HttpApiError.Problem<Unavailable>()(
  "Unavailable",
  { type: type("unavailable"), status: 503, title: "A service that this needs does not answer" },
  members
) {}

/** 504: the request took longer than any request may; what it has begun may still come to its end. */
export class GatewayTimeout extends HttpApiError.Problem<GatewayTimeout>()(
  "GatewayTimeout",
  { type: type("timeout"), status: 504, title: "The request took too long" },
  members
) {}

/** The problems that any route behind a credential can answer with. */
export const CommonProblems = [
  BadRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  Conflict,
  PreconditionFailed,
  PayloadTooLarge,
  UnsupportedMediaType,
  Unprocessable,
  InternalError,
  Unavailable
] as const
