import type { Principal } from "@devops-mcp/domain/Principal"
import { Effect, Schema, type Scope } from "effect"

/** There is no place left: for this caller, or for anybody. */
export class NoPlace extends Schema.TaggedError<NoPlace>()("@devops-mcp/infrastructure/Places/NoPlace", {
  of: Schema.Literals(["caller", "process"]),
  most: Schema.Int
}) {
  override get message() {
    return this.of === "caller" ? `At most ${this.most} of these for one caller` : "There are too many of these"
  }
}

export interface Bounds {
  /** In one process at once. */
  readonly most: number
  /** Of one caller among them, so that no caller takes all the places. */
  readonly mostOfOne: number
}

/** Places for what callers keep open; each is held until its scope closes. */
export const makePlaces = ({ most, mostOfOne }: Bounds) => {
  const ofCaller = new Map<string, number>()
  let taken = 0

  const take = ({ actor, credential, tenantId }: Principal): Effect.Effect<void, NoPlace, Scope.Scope> => {
    const caller = `${tenantId} ${credential} ${actor}`
    const change = (by: 1 | -1) => {
      const left = (ofCaller.get(caller) ?? 0) + by
      if (left === 0) ofCaller.delete(caller)
      else ofCaller.set(caller, left)
      taken += by
    }
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (taken >= most) return Effect.fail(new NoPlace({ of: "process", most }))
          if ((ofCaller.get(caller) ?? 0) >= mostOfOne) {
            return Effect.fail(new NoPlace({ of: "caller", most: mostOfOne }))
          }
          return Effect.sync(() => change(1))
        }),
        () => Effect.sync(() => change(-1))
      )
    )
  }

  return { take }
}
