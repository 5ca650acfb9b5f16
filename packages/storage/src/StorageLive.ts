import type { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { Config, Effect, Layer, Option, Schema } from "effect"
import * as ObjectStoreFiles from "./ObjectStoreFiles.ts"
import * as ObjectStoreS3 from "./ObjectStoreS3.ts"

const BucketName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    expected: "the name of a bucket: 3 to 63 characters of a-z, 0-9, . and -"
  })
)

/** Where large objects go. */
export const storageSettings = Config.all({
  home: Config.NonEmptyString("DEVOPS_MCP_HOME").pipe(Config.withDefault("./.devops-mcp")),
  bucket: Config.option(Config.schema(BucketName, "S3_BUCKET")),
  endpoint: Config.option(Config.URL("AWS_ENDPOINT_URL"))
})

/** Large objects: in the bucket `S3_BUCKET` when it is set, else in files under `DEVOPS_MCP_HOME`. */
export const StorageLive: Layer.Layer<
  ObjectStore,
  Config.ConfigError | ObjectStoreError | ObjectStoreS3.BucketUnusable
> = Layer.unwrap(
  Effect.map(
    storageSettings,
    ({ bucket, endpoint, home }): Layer.Layer<ObjectStore, ObjectStoreError | ObjectStoreS3.BucketUnusable> =>
      Option.isSome(bucket)
        ? ObjectStoreS3.layer({ bucket: bucket.value, endpoint })
        : ObjectStoreFiles.layer(`${home}/objects`)
  )
)
