import type { Change } from "@devops-mcp/core/changes/Changes"
import type { Principal } from "@devops-mcp/domain/Principal"
import {
  INVALID_PARAMS,
  type JSONRPCRequest,
  type RequestId,
  SERVER_INFO_META_KEY,
  SUBSCRIPTION_ID_META_KEY
} from "@modelcontextprotocol/server"
import { type Cause, Effect, Queue, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { encodeJson } from "../edge/Json.ts"
import type { Registries } from "../edge/Registries.ts"
import {
  acknowledged,
  Followed,
  notAFilter,
  ownTasks,
  subscriptionNotification,
  taskNotification
} from "../edge/Subscriptions.ts"
import { serverInformation } from "../edge/SdkServer.ts"
import { eventStream, frame } from "@devops-mcp/infrastructure/Sse"

/** Listeners of one process at once; one more is told to come back later. */
const mostListeners = 10_000

/** Listeners of one caller among them, so that no caller takes all the places. */
const mostListenersOfOne = 1_000

/** News that wait for a client that reads slowly; one more and its stream ends, and it lists anew. */
const longestBacklog = 100

const Filter = Schema.Struct({
  toolsListChanged: Schema.optionalKey(Schema.Boolean),
  promptsListChanged: Schema.optionalKey(Schema.Boolean),
  resourcesListChanged: Schema.optionalKey(Schema.Boolean),
  resourceSubscriptions: Schema.optionalKey(Followed),
  /** Of the Tasks extension. */
  taskIds: Schema.optionalKey(Followed)
})
type Filter = typeof Filter.Type

const decodeParams = Schema.decodeUnknownEffect(Schema.Struct({ notifications: Filter }))

const errorOf = (id: RequestId, code: number, message: string) =>
  HttpServerResponse.jsonUnsafe({ jsonrpc: "2.0", id, error: { code, message } })

interface News {
  readonly method: string
  readonly params?: Schema.JsonObject
}

/** What a stream with this filter says of a change, if anything. */
const newsOf = (filter: Filter, change: Exclude<Change, { readonly _tag: "TaskChanged" }>): News | undefined => {
  switch (change._tag) {
    case "ToolsChanged":
      return filter.toolsListChanged === true ? { method: "notifications/tools/list_changed" } : undefined
    case "PromptsChanged":
      return filter.promptsListChanged === true ? { method: "notifications/prompts/list_changed" } : undefined
    case "ResourcesChanged":
      return filter.resourcesListChanged === true ? { method: "notifications/resources/list_changed" } : undefined
    case "ResourceUpdated":
      return filter.resourceSubscriptions?.includes(change.uri) === true
        ? { method: "notifications/resources/updated", params: { uri: change.uri } }
        : undefined
  }
}

/**
 * `subscriptions/listen`: a stream that acknowledges first and then tells of the changes that its filter names, those
 * of the caller's tenant alone. It ends with a result when the server drains, without one when the connection breaks.
 */
export const makeListen = ({ changes, resources, tasks }: Registries["Service"], draining: Effect.Effect<void>) => {
  let listeners = 0
  const listenersOf = new Map<string, number>()
  const count = (caller: string, change: 1 | -1) => {
    const left = (listenersOf.get(caller) ?? 0) + change
    if (left === 0) listenersOf.delete(caller)
    else listenersOf.set(caller, left)
    listeners += change
  }

  /** Resources that the caller cannot read are not followed, as if they did not exist. */
  const honoured = Effect.fnUntraced(function* (principal: Principal, asked: Filter) {
    const { resourceSubscriptions = [], taskIds = [], ...lists } = asked
    const readable = yield* Effect.filter(resourceSubscriptions, (uri) =>
      Effect.match(resources.canRead(principal, uri), { onFailure: () => false, onSuccess: () => true })
    )
    const own = yield* ownTasks(tasks, principal, taskIds)
    return {
      ...Object.fromEntries(Object.entries(lists).filter(([, wanted]) => wanted)),
      ...(readable.length === 0 ? {} : { resourceSubscriptions: readable }),
      ...(own.length === 0 ? {} : { taskIds: own })
    } satisfies Filter
  })

  const follow = (principal: Principal, filter: Filter, id: RequestId) => {
    const write = (message: unknown) => frame({ event: "message", data: encodeJson(message) })
    const farewell = write({
      jsonrpc: "2.0",
      id,
      result: {
        resultType: "complete",
        _meta: { [SUBSCRIPTION_ID_META_KEY]: id, [SERVER_INFO_META_KEY]: serverInformation }
      }
    })
    const acknowledgement = write(subscriptionNotification(id, acknowledged, { notifications: filter }))
    if (Object.keys(filter).length === 0) return Stream.make(acknowledgement, farewell)

    const tell = Effect.fnUntraced(function* (change: Change) {
      if (change._tag !== "TaskChanged") {
        const found = newsOf(filter, change)
        return found === undefined ? [] : [write(subscriptionNotification(id, found.method, found.params))]
      }
      if (filter.taskIds?.includes(change.taskId) !== true) return []
      return yield* tasks.get(principal, change.taskId).pipe(
        Effect.map((task) => [write(taskNotification(id, task))]),
        Effect.orElseSucceed(() => [])
      )
    })

    return Stream.unwrap(
      Effect.gen(function* () {
        const news = yield* Queue.dropping<Change, Cause.Done>(longestBacklog)
        // Before the acknowledgement: who has it has missed nothing since.
        yield* changes.listen((change) => {
          if (change.tenantId === principal.tenantId && !Queue.offerUnsafe(news, change)) Queue.endUnsafe(news)
        })
        return Stream.make(acknowledgement).pipe(
          Stream.concat(
            Stream.fromQueue(news).pipe(
              Stream.mapEffect(tell),
              Stream.flatMap(Stream.fromArray),
              Stream.interruptWhen(draining)
            )
          ),
          Stream.concat(Stream.make(farewell))
        )
      })
    )
  }

  return Effect.fnUntraced(function* (message: JSONRPCRequest, principal: Principal) {
    const caller = `${principal.tenantId} ${principal.credential} ${principal.actor}`
    if (listeners >= mostListeners || (listenersOf.get(caller) ?? 0) >= mostListenersOfOne)
      return errorOf(message.id, -32603, "Too many clients listen here. Try again later.")
    return yield* decodeParams(message.params).pipe(
      Effect.flatMap(({ notifications }) => honoured(principal, notifications)),
      Effect.map((filter) => {
        const counted = Effect.acquireRelease(
          Effect.sync(() => count(caller, 1)),
          () => Effect.sync(() => count(caller, -1))
        )
        return eventStream(Stream.unwrap(Effect.as(counted, follow(principal, filter, message.id))))
      }),
      Effect.catchTag("SchemaError", () => Effect.succeed(errorOf(message.id, INVALID_PARAMS, notAFilter)))
    )
  })
}
