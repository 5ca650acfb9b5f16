import { Layer } from "effect"
import { ApiKeys } from "./access/ApiKeys.ts"
import { Authentication } from "./access/Authentication.ts"
import { Bootstrap } from "./access/Bootstrap.ts"
import { Confirmations } from "./access/Confirmations.ts"
import { Revocations } from "./access/Revocations.ts"
import { Changes } from "./changes/Changes.ts"
import { Audit } from "./audit/Audit.ts"
import { AuditTrail } from "./audit/AuditTrail.ts"
import { Connections } from "./connections/Connections.ts"
import { OAuthProviders } from "./connections/OAuthProviders.ts"
import { AgentContexts } from "./contexts/AgentContexts.ts"
import { EventFeed } from "./events/EventFeed.ts"
import { RequestReplays } from "./idempotency/RequestReplays.ts"
import { Ingest } from "./ingest/Ingest.ts"
import { DeadLetters } from "./jobs/DeadLetters.ts"
import { Knowledge } from "./knowledge/Knowledge.ts"
import { Retention } from "./retention/Retention.ts"
import { Results } from "./results/Results.ts"
import { Secrets } from "./secrets/Secrets.ts"
import { Tasks } from "./tasks/Tasks.ts"
import { Tools } from "./tools/Tools.ts"
import { Webhooks } from "./webhooks/Webhooks.ts"

/** All use-cases. What they need are ports and nothing else. */
export const CoreLive = Layer.mergeAll(
  AgentContexts.layer.pipe(Layer.provideMerge(Knowledge.layer)),
  Bootstrap.layer.pipe(Layer.provideMerge(ApiKeys.layer)),
  Authentication.layer.pipe(Layer.provideMerge(Audit.layer)),
  AuditTrail.layer,
  DeadLetters.layer,
  EventFeed.layer,
  Ingest.layer,
  RequestReplays.layer,
  Results.layer,
  Retention.layer,
  Tasks.layer.pipe(
    Layer.provide(Audit.layer),
    Layer.provideMerge(Tools.layer),
    Layer.provideMerge(Confirmations.layer),
    Layer.provideMerge(Connections.layer),
    Layer.provideMerge(OAuthProviders.layer)
  ),
  Webhooks.layer
).pipe(Layer.provideMerge(Revocations.layer), Layer.provideMerge(Layer.merge(Changes.layer, Secrets.layer)))
