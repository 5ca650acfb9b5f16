import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"

/** Makes fresh UUIDv7s of any branded id. Ids made by one process sort in the order they were made. */
export const makeNewId = Effect.map(
  SecureRandom.SecureRandom,
  (random) =>
    <A>(schema: { readonly make: (input: string) => A }): Effect.Effect<A> =>
      Effect.map(random.uuidV7(), (id) => schema.make(id))
)
