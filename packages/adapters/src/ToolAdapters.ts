import { ToolAdapters } from "@devops-mcp/core/ports/ToolAdapter"
import { Effect, Layer } from "effect"
import { GitAdapter, layerConfig as gitLayer } from "./git/GitAdapter.ts"

/** The adapters by kind, over whichever layers provide them. */
export const layerNoDeps: Layer.Layer<ToolAdapters, never, GitAdapter> = Layer.effect(
  ToolAdapters,
  Effect.gen(function* () {
    const adapters = [yield* GitAdapter]
    return ToolAdapters.of(new Map(adapters.map((adapter) => [adapter.kind, adapter])))
  })
)

/** All adapters; `gitRoots` are the folders the git tool reads when GIT_ROOTS is absent. */
export const layerWith = (options: { readonly gitRoots: ReadonlyArray<string> }) =>
  layerNoDeps.pipe(Layer.provide(gitLayer({ whenAbsent: options.gitRoots })))

/** All adapters of this deployment, from its configuration alone. */
export const ToolAdaptersLive = layerWith({ gitRoots: [] })
