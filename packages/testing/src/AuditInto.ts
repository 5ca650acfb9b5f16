import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { noting } from "@devops-mcp/core/audit/OnRecord"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect } from "effect"

/** An audit that hands every act over, those that callers repeat each by itself. */
export const auditInto = (put: (act: Act) => void): Audit["Service"] =>
  Audit.of(
    noting({
      record: (act) => Effect.sync(() => put(act)),
      repeated: (act) => Effect.sync(() => put({ ...act, changes: false })),
      refused: ({ limit, principal, reason }) =>
        principal === undefined
          ? Effect.void
          : Effect.map(RequestId, (requestId) =>
              put({
                principal,
                action: `refused.${reason}`,
                ...(limit === undefined ? {} : { target: limit }),
                outcome: "denied",
                changes: false,
                requestId,
                durationMs: 0
              })
            )
    })
  )
