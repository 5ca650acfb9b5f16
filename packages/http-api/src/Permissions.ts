import { Authorization, Requires } from "@devops-mcp/contract/Authorization"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"

/** A route that nobody has decided about who may use it. */
export class PermissionUndeclared extends Schema.TaggedError<PermissionUndeclared>()(
  "@devops-mcp/http-api/Permissions/PermissionUndeclared",
  { route: Schema.String, name: Schema.String, lacks: Schema.Literals(["permission", "authorization"]) }
) {
  override get message() {
    const route = `The route ${this.route} (${this.name})`
    return this.lacks === "permission"
      ? `${route} does not say what it requires: declare it with requires(…) in a group made by guarded(…)`
      : `${route} says what it requires, but nothing checks it: declare its group with guarded(…)`
  }
}

/**
 * Fails unless every route says what it requires, and has the middleware that sees to it. A route that checks a
 * signature says so and has none.
 */
export const PermissionsDeclared = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const faults: Array<PermissionUndeclared> = []
      HttpApi.reflect(api, {
        onGroup: () => {},
        onEndpoint: ({ endpoint, group }) => {
          const required = Context.getOption(endpoint.annotations, Requires)
          const route = `${endpoint.method} ${endpoint.path}`
          const name = `${group.identifier}.${endpoint.identifier}`
          if (Option.isNone(required)) faults.push(new PermissionUndeclared({ route, name, lacks: "permission" }))
          else if (required.value !== "signature" && !endpoint.middlewares.has(Authorization)) {
            faults.push(new PermissionUndeclared({ route, name, lacks: "authorization" }))
          }
        }
      })
      const [fault] = faults
      if (fault !== undefined) return yield* fault
    })
  )
