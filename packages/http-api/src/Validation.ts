import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { maxBodyBytes } from "@devops-mcp/infrastructure/Settings"
import {
  NotFound,
  PayloadTooLarge,
  type ProblemDetail,
  RequestTimeout,
  Unavailable,
  UnsupportedMediaType
} from "@devops-mcp/contract/Problems"
import { Authorization } from "@devops-mcp/contract/Authorization"
import { withAnswerHeaders } from "@devops-mcp/infrastructure/Limits"
import { requestBodyTimeout } from "@devops-mcp/resilience/Policies"
import { Validation } from "@devops-mcp/contract/Validation"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Array as Arr, ByteSize, Cause, Effect, Fiber, Layer, Option, SchemaIssue } from "effect"
import { HttpIncomingMessage, HttpMethod, HttpServerError, HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { badRequest, internalError } from "./Problems.ts"

/** Faults shown of one request; a thousand wrong items need not be listed to be mended. */
const shownFaults = 20

/** Inputs are not among what issues report, so no message repeats what was sent. */
const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "MissingKey" ? "This is missing" : SchemaIssue.defaultLeafHook(issue))
})

const segments = {
  Params: "path",
  Headers: "headers",
  Query: "query",
  Payload: "body",
  Body: "body",
  ResponseHeaders: "headers"
} as const

type Segment = PropertyKey | { readonly key: PropertyKey }

const escaped = (segment: Segment) =>
  String(typeof segment === "object" ? segment.key : segment)
    .replaceAll("~", "~0")
    .replaceAll("/", "~1")
    .slice(0, 200)

/** Where and how a request does not fit its schema. */
const faultsOf = (error: HttpApiError.HttpApiSchemaError): Arr.NonEmptyReadonlyArray<ProblemDetail> => {
  const faults = formatIssues(error.cause.issue)
    .issues.slice(0, shownFaults)
    .map(({ message, path }) => ({
      pointer: ["", segments[error.kind], ...(path ?? []).map(escaped)].join("/"),
      detail: message.replaceAll(" | ", " or ")
    }))
  return Arr.isReadonlyArrayNonEmpty(faults)
    ? faults
    : [{ pointer: `/${segments[error.kind]}`, detail: "This does not have the expected shape" }]
}

/** What the server's own reading of a body failed with. */
const readError = (cause: Cause.Cause<unknown>) =>
  cause.reasons.flatMap((reason) =>
    reason._tag === "Die" &&
    HttpServerError.isHttpServerError(reason.defect) &&
    reason.defect.reason._tag === "RequestParseError"
      ? [reason.defect.reason]
      : []
  )[0]

/** Reads a part of the request within `requestBodyTimeout`; what cannot be read is the decoder's to report. */
const reading = Effect.fnUntraced(function* <A, E>(part: Effect.Effect<A, E>) {
  // In the request's own time: to interrupt it cuts the connection, and no answer would arrive.
  const read = yield* Effect.forkScoped(Effect.option(part))
  return yield* Fiber.join(read).pipe(
    Effect.timeoutOrElse({
      duration: requestBodyTimeout,
      orElse: () =>
        Effect.flatMap(RequestId, (requestId) =>
          Effect.fail(
            new RequestTimeout({ code: "request-timeout", detail: "The body did not arrive in time", requestId })
          )
        )
    })
  )
})

const hasJsonBody = ({ headers, method }: HttpServerRequest.HttpServerRequest) =>
  HttpMethod.hasBody(method) && headers["content-type"]?.includes("json") === true

/** Reads a JSON body and keeps it with the request, so what decodes it finds it read, and nested no deeper than a parser can take. */
export const readBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (!hasJsonBody(request)) return
  const body = Option.getOrElse(yield* reading(request.text), () => "")
  if (isNestedDeeper(body, deepestNesting)) {
    return yield* yield* badRequest([{ pointer: "/body", detail: `Nested deeper than ${deepestNesting} levels` }])
  }
})

/** Reads the body as it was signed; who knows the secret looks into it. */
const readSignedBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (hasJsonBody(request)) yield* reading(request.arrayBuffer)
})

const overloaded = Effect.flatMap(RequestId, (requestId) =>
  Effect.fail(new Unavailable({ code: "unavailable", detail: "Too many bodies are being received", requestId }))
)

/** Bodies of nobody known that are read at once: each may be as large as any. */
const strangersAtOnce = 256

/** Implements `Validation`, and keeps bodies under `MAX_BODY_BYTES`. */
export const ValidationLive = Layer.effect(
  Validation,
  Effect.gen(function* () {
    const limit = yield* maxBodyBytes
    let strangers = 0

    const readStrangersBody = Effect.gen(function* () {
      if (strangers >= strangersAtOnce) {
        yield* withAnswerHeaders({ "retry-after": "1" })
        return yield* overloaded
      }
      strangers++
      yield* Effect.ensuring(
        readSignedBody,
        Effect.sync(() => void strangers--)
      )
    })

    const tooLarge = (requestId: string) =>
      new PayloadTooLarge({
        code: "payload-too-large",
        detail: `The body may have at most ${ByteSize.toNumberUnsafe(limit)} bytes`,
        requestId
      })

    const onSchemaError = Effect.fnUntraced(function* (error: HttpApiError.HttpApiSchemaError) {
      switch (error.kind) {
        case "Params":
          return yield* new NotFound({
            code: "not-found",
            detail: "There is nothing under this address",
            requestId: yield* RequestId
          })
        case "Body":
        case "ResponseHeaders":
          return yield* yield* internalError(Cause.fail(error.cause))
        default:
          return yield* yield* badRequest(faultsOf(error))
      }
    })

    const onDefect = Effect.fnUntraced(function* (cause: Cause.Cause<never>) {
      const unread = readError(cause)
      if (unread?.reason === "BodyTooLarge") return yield* tooLarge(yield* RequestId)
      if (unread !== undefined) {
        return yield* yield* badRequest([{ pointer: "/body", detail: "The body could not be read" }])
      }
      return yield* yield* internalError(cause)
    })

    const unsupported = Effect.fnUntraced(function* () {
      return yield* new UnsupportedMediaType({
        code: "unsupported-media-type",
        detail: "Send the body as application/json",
        requestId: yield* RequestId
      })
    })

    return Validation.of(
      Effect.fnUntraced(
        function* (httpEffect, { endpoint }) {
          // Behind a credential `Authorization` reads the body, once it knows whose it is.
          if (!endpoint.middlewares.has(Authorization)) yield* readStrangersBody
          const response = yield* httpEffect
          return response.status === 415 ? yield* unsupported() : response
        },
        (answer) =>
          answer.pipe(
            Effect.provideService(HttpIncomingMessage.MaxBodySize, limit),
            Effect.catch(
              Effect.fnUntraced(function* (error) {
                return yield* HttpApiError.HttpApiSchemaError.is(error) ? onSchemaError(error) : Effect.fail(error)
              })
            ),
            Effect.catchCause(
              Effect.fnUntraced(function* (cause) {
                if (!Cause.hasDies(cause)) return yield* Effect.failCause(cause)
                return yield* onDefect(Cause.fromReasons(cause.reasons.filter((reason) => reason._tag !== "Fail")))
              })
            )
          )
      )
    )
  })
)
