import { ByteSize, Config, Schema } from "effect"

/** How large a request's body may be: `MAX_BODY_BYTES`, 4 MiB when absent, 1 GiB at most. */
export const bodyLimit = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 30 })),
  "MAX_BODY_BYTES"
).pipe(Config.withDefault(4 * 2 ** 20), Config.map(ByteSize.bytes))
