import { WebhookAdapters } from "@devops-mcp/core/ports/WebhookAdapter"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { WebhookAdaptersLive } from "../src/WebhookAdapters.ts"

export const Adapters = WebhookAdaptersLive.pipe(Layer.provide(NodeCrypto.layer))

export const adapterOf = (source: WebhookSource) =>
  Effect.map(WebhookAdapters, (adapters) => {
    const adapter = adapters.get(source)
    assert.isDefined(adapter)
    return adapter
  })
