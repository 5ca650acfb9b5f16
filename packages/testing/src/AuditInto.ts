import { type Act, Audit, refusedAct } from "@devops-mcp/core/audit/Audit"
import { noting } from "@devops-mcp/core/audit/OnRecord"
import { Effect } from "effect"

/** An audit that hands every act over, those that callers repeat each by itself. */
export const auditInto = (put: (act: Act) => void): Audit["Service"] =>
  Audit.of(
    noting({
      record: (act) => Effect.sync(() => put(act)),
      repeated: (act) => Effect.sync(() => put({ ...act, changes: false })),
      refused: ({ principal, ...refusal }) =>
        principal === undefined ? Effect.void : Effect.map(refusedAct(principal, refusal), put)
    })
  )
