import { Clock, Console, Effect } from "effect"
import { banner } from "../Banner.ts"
import { announce } from "../Instance.ts"
import { localUrl } from "../LocalUrl.ts"
import { FirstKey, StartProgram } from "../Start.ts"

/** All three programs in one process, until it is told to stop. */
export const run = Effect.gen(function* () {
  const startedAt = yield* Clock.currentTimeMillis
  const serving = Effect.gen(function* () {
    const url = yield* localUrl
    yield* announce(url)
    const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    yield* Console.log(yield* banner({ url, firstKey: yield* FirstKey, seconds }))
    return yield* Effect.never
  })
  return yield* Effect.scoped(
    Effect.provide(
      serving,
      StartProgram({ gitRoots: [process.cwd()], onProgress: (message) => Console.error(`${message} …`) })
    )
  )
})
