import type { Principal } from "@devops-mcp/domain/Principal"
import { type JSONRPCNotification, type RequestId, SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import type { TaskRegistry } from "../registry/TaskRegistry.ts"

/** Resources and tasks that one subscription follows at most. */
const mostFollowed = 1000

/** Addresses or ids in the filter of a subscription. */
export const Followed = Schema.Array(Schema.String.check(Schema.isMaxLength(2000))).check(
  Schema.isMaxLength(mostFollowed)
)

/** The answer to a filter that is none. */
export const notAFilter = "Invalid params: `notifications` must be a subscription filter"

/** The first message of every subscription. */
export const acknowledged = "notifications/subscriptions/acknowledged"

export const isId = Schema.is(Schema.Union([Schema.String, Schema.Finite]))

/** The subscription that a notification belongs to. */
export const subscriptionOf = ({ params }: JSONRPCNotification): RequestId | undefined => {
  const id = params?._meta?.[SUBSCRIPTION_ID_META_KEY]
  return isId(id) ? id : undefined
}

/** A message of the subscription that the request with this id began. */
export const subscriptionNotification = (id: RequestId, method: string, params: Schema.JsonObject = {}) => ({
  jsonrpc: "2.0" as const,
  method,
  params: { ...params, _meta: { [SUBSCRIPTION_ID_META_KEY]: id } }
})

/** Tasks of others are not followed, as if they did not exist. */
export const ownTasks = (tasks: TaskRegistry["Service"], principal: Principal, ids: ReadonlyArray<string>) =>
  Effect.filter(ids, (id) => Effect.match(tasks.get(principal, id), { onFailure: () => false, onSuccess: () => true }))

/** What a follower is told of a task: its current state, which may be newer than the change. */
export const taskNotification = (id: RequestId, task: Schema.JsonObject) =>
  subscriptionNotification(id, "notifications/tasks", task)
