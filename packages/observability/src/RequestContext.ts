import { Context } from "effect"

/** Id of the request being handled: the caller's `X-Request-Id` or one of ours. In logs, problems and audit rows. */
export const RequestId = Context.Reference<string>("@devops-mcp/observability/RequestContext/RequestId", {
  defaultValue: () => "none"
})
