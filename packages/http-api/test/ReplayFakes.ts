import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as RequestReplaysMemory from "@devops-mcp/testing/RequestReplaysMemory"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Layer } from "effect"

/** The real use-case on rows in memory. */
export const ReplaysOnFakes = RequestReplays.layer.pipe(
  Layer.provide(Secrets.layer),
  Layer.provideMerge(RequestReplaysMemory.layer),
  Layer.provide([TestSigningKey, NodeCrypto.layer])
)
