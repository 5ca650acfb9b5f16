import type { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { Config, Effect, Layer, Schema } from "effect"
import * as ObjectStoreFiles from "./ObjectStoreFiles.ts"

const Unsupported = Schema.String.check(
  Schema.makeFilter(() => false, { expected: "no value, as this version keeps large objects in files only" })
)

/** Where large objects go. */
export const storageSettings = Config.all({
  home: Config.NonEmptyString("DEVOPS_MCP_HOME").pipe(Config.withDefault("./.devops-mcp")),
  bucket: Config.option(Config.schema(Unsupported, "S3_BUCKET"))
})

/** Large objects, in files under `DEVOPS_MCP_HOME`. */
export const StorageLive: Layer.Layer<ObjectStore, Config.ConfigError | ObjectStoreError> = Layer.unwrap(
  Effect.map(storageSettings, ({ home }) => ObjectStoreFiles.layer(`${home}/objects`))
)
