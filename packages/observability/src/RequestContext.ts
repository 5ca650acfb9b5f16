import { Context } from "effect"

/** Id of the request being handled: the caller's `X-Request-Id` or one of ours. In logs, problems and audit rows. */
export const RequestId = Context.Reference<string>("@devops-mcp/observability/RequestContext/RequestId", {
  defaultValue: () => "none"
})

/** Network address of the client whose request is being handled, where it is known. In audit rows and limits. */
export const ClientAddress = Context.Reference<string | undefined>(
  "@devops-mcp/observability/RequestContext/ClientAddress",
  { defaultValue: () => undefined }
)
