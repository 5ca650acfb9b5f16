import { Limiter } from "@devops-mcp/core/ports/Limiter"
import { Layer } from "effect"
import { makeLocal } from "./LimiterLocal.ts"
import * as RateLimiterStoreMemory from "./RateLimiterStoreMemory.ts"

/** Limits of this process. */
export const layer: Layer.Layer<Limiter> = Layer.effect(Limiter, makeLocal).pipe(
  Layer.provide(RateLimiterStoreMemory.layer)
)
