import { localUrl } from "@devops-mcp/cli/LocalUrl"
import { StartProgram } from "@devops-mcp/cli/Start"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"

/** The whole system as `devops-mcp start` runs it, in which a job has two attempts. */
NodeRuntime.runMain(
  Effect.scoped(
    Effect.provide(
      Effect.gen(function* () {
        yield* Console.log(`Ready at ${yield* localUrl}`)
        return yield* Effect.never
      }),
      StartProgram({ gitRoots: [], jobs: { attempts: 2 }, onProgress: () => Effect.void })
    )
  )
)
