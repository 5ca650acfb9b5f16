import { ToolFailure, type AdapterAction, type ToolAdapter } from "@devops-mcp/core/ports/ToolAdapter"
import { gitActionTimeout, longActionTimeout } from "@devops-mcp/resilience/Policies"
import { Config, Context, Duration, Effect, Layer, Schema, type FileSystem, type Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { action, decodeConfig, jsonSchemaOf } from "../Action.ts"
import { blame } from "./Blame.ts"
import { diff, show } from "./Diff.ts"
import { file } from "./File.ts"
import { Git, layer as gitLayer } from "./Git.ts"
import { GitConfig, inputs, nextCursor } from "./GitSchemas.ts"
import { grep } from "./Grep.ts"
import { log } from "./Log.ts"
import { branches, tags } from "./Refs.ts"
import { Repositories, layer as repositoriesLayer } from "./Repositories.ts"
import { page, type GitServices } from "./Revisions.ts"
import { statistics } from "./Statistics.ts"

/** Reads Git repositories in the folders of this deployment; it changes nothing and needs no network. */
export class GitAdapter extends Context.Service<GitAdapter, ToolAdapter>()("@devops-mcp/adapters/git/GitAdapter") {}

const repositoriesAction = ({ repositories }: GitServices) =>
  action({
    name: "repositories",
    title: "List repositories",
    description:
      "Lists the Git repositories that can be read, with the name to give as `repository` in the other actions and the branch HEAD is on.",
    risk: "read",
    config: GitConfig,
    input: Schema.Struct({ limit: inputs.limit, cursor: inputs.cursor }),
    output: Schema.Struct({
      repositories: Schema.Array(
        Schema.Struct({ name: Schema.String, branch: Schema.NullOr(Schema.String), bare: Schema.Boolean })
      ),
      nextCursor,
      truncated: Schema.Boolean.annotate({
        description: "True when there are too many folders to search; others are found by their path"
      })
    }),
    run: Effect.fnUntraced(function* (input, config) {
      const { complete, repositories: all } = yield* repositories.list(config)
      const { items, nextCursor } = page(all, Number(input.cursor ?? 0), input.limit)
      return {
        repositories: items.map(({ bare, branch, name }) => ({ name, branch, bare })),
        nextCursor,
        truncated: !complete
      }
    })
  })

const bounded = <A>(effect: Effect.Effect<A, ToolFailure>, duration = gitActionTimeout) =>
  Effect.timeoutOrElse(effect, {
    duration,
    orElse: () =>
      new ToolFailure({
        code: "timeout",
        detail: `git took longer than ${Duration.toSeconds(duration)} seconds; narrow the question by path, lines or time`,
        retryable: true
      })
  })

const make = Effect.gen(function* () {
  const git = yield* Git
  const repositories = yield* Repositories
  const services: GitServices = { git, repositories }
  const actions: ReadonlyArray<AdapterAction> = [
    repositoriesAction(services),
    log(services),
    show(services),
    diff(services),
    blame(services),
    grep(services),
    branches(services),
    tags(services),
    file(services),
    statistics(services)
  ]
  const decode = decodeConfig(GitConfig)
  return GitAdapter.of({
    kind: "git",
    title: "Git repositories",
    configSchema: jsonSchemaOf(GitConfig, { closed: true }),
    checkConfig: Effect.fn("GitAdapter.checkConfig")((config: Schema.JsonObject) =>
      bounded(Effect.flatMap(decode(config), repositories.checkConfig))
    ),
    // What runs long is cut by whoever runs it: sooner in a call than in a task.
    actions: actions.map((each) => ({
      ...each,
      run: (config, input) =>
        bounded(each.run(config, input), each.longRunning === true ? longActionTimeout : gitActionTimeout)
    })),
    health: Effect.fn("GitAdapter.health")(function* (config: Schema.JsonObject) {
      yield* bounded(
        Effect.all([git.version, repositories.health, Effect.flatMap(decode(config), repositories.checkConfig)])
      )
    })
  })
})

/** The adapter over these folders. A folder that is a repository itself is served under its own name. */
export const layerRoots = (
  roots: ReadonlyArray<string>
): Layer.Layer<
  GitAdapter,
  Config.ConfigError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
> => Layer.effect(GitAdapter, make).pipe(Layer.provide([gitLayer, repositoriesLayer(roots)]))

/** The adapter over the folders of GIT_ROOTS, or over `whenAbsent`: the working folder in `start`, nothing elsewhere. */
export const layerConfig = (options: { readonly whenAbsent: ReadonlyArray<string> }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const roots = yield* Config.String("GIT_ROOTS").pipe(Config.withDefault(""))
      const folders = roots.split(":").filter((folder) => folder !== "")
      return layerRoots(folders.length === 0 ? options.whenAbsent : folders)
    })
  )
