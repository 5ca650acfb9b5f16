import type { AuthenticationError } from "@devops-mcp/core/access/Authentication"
import type { Principal } from "@devops-mcp/domain/Principal"
import { taskListening } from "@devops-mcp/resilience/Policies"
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCNotification,
  type JSONRPCRequest,
  type RequestId,
  type Transport
} from "@modelcontextprotocol/server"
import { type Context, Effect, Option, Schema } from "effect"
import type { TaskRegistry } from "../registry/TaskRegistry.ts"
import {
  acknowledged,
  Followed,
  isId,
  notAFilter,
  ownTasks,
  subscriptionOf,
  taskNotification
} from "./Subscriptions.ts"

const decodeListen = Schema.decodeUnknownOption(
  Schema.Struct({ notifications: Schema.Struct({ taskIds: Schema.optionalKey(Followed) }) })
)

const isObject = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

export interface TaskSubscriptionsOptions {
  readonly transport: Transport
  readonly tasks: TaskRegistry["Service"]
  /** Asked whenever a task is looked at: a connection may outlive its credential. */
  readonly principal: Effect.Effect<Principal, AuthenticationError>
  readonly context: Context.Context<never>
}

/**
 * Adds to the SDK's subscriptions the part that it does not know: the `taskIds` of the Tasks extension. The SDK decides
 * whether there is a subscription; its acknowledgement is completed on the way out, and whatever else it says in that
 * subscription waits until then.
 */
export class TaskSubscriptions implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #options: TaskSubscriptionsOptions
  /** What the SDK has not answered yet. */
  readonly #asked = new Map<RequestId, ReadonlyArray<string>>()
  readonly #followed = new Map<RequestId, ReadonlySet<string>>()
  /** Acknowledgements on their way; false when the subscription was cancelled before. */
  readonly #acknowledging = new Map<RequestId, Promise<boolean>>()
  /** Tasks that are being told of, and whether they have changed again meanwhile. */
  readonly #telling = new Map<string, boolean>()
  readonly #closed = new AbortController()

  constructor(options: TaskSubscriptionsOptions) {
    this.#options = options
  }

  start() {
    const { transport } = this.#options
    transport.onmessage = (message) => this.#receive(message)
    transport.onerror = (error) => this.onerror?.(error)
    transport.onclose = () => {
      this.#closed.abort()
      this.onclose?.()
    }
    return transport.start()
  }

  close() {
    this.#closed.abort()
    return this.#options.transport.close()
  }

  send(message: JSONRPCMessage): Promise<void> {
    const { transport } = this.#options
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
      if (message.id !== undefined) this.#forget(message.id)
      return transport.send(message)
    }
    const id = isJSONRPCNotification(message) ? subscriptionOf(message) : undefined
    if (id === undefined || !isJSONRPCNotification(message)) return transport.send(message)
    const ids = this.#asked.get(id)
    if (ids !== undefined && message.method === acknowledged) {
      this.#asked.delete(id)
      this.#acknowledge(id, ids, message)
      return Promise.resolve()
    }
    const acknowledgement = this.#acknowledging.get(id)
    if (acknowledgement === undefined) return transport.send(message)
    return acknowledgement.then((isOpen) => (isOpen ? transport.send(message) : undefined))
  }

  /** Tells those who follow the task. Changes that come at once are told as one, in the order they came. */
  hear(taskId: string) {
    if (![...this.#followed.values()].some((ids) => ids.has(taskId))) return
    if (this.#telling.has(taskId)) {
      this.#telling.set(taskId, true)
      return
    }
    this.#telling.set(taskId, false)
    const hasChangedAgain = () => {
      const again = this.#telling.get(taskId) === true
      if (again) this.#telling.set(taskId, false)
      else this.#telling.delete(taskId)
      return again
    }
    const all = Effect.repeat(Effect.map(this.#tell(taskId), hasChangedAgain), { while: (again) => again })
    void this.#run(Effect.onError(all, () => Effect.sync(() => this.#telling.delete(taskId))))
  }

  /** Until the connection ends; what goes wrong concerns nobody but the log. */
  #run(effect: Effect.Effect<boolean>): Promise<boolean> {
    const { context } = this.#options
    return Effect.runPromiseWith(context)(effect, { signal: this.#closed.signal }).catch((cause) => {
      if (!this.#closed.signal.aborted) this.onerror?.(cause instanceof Error ? cause : new Error(String(cause)))
      return false
    })
  }

  #forget(id: RequestId) {
    this.#asked.delete(id)
    this.#followed.delete(id)
    this.#acknowledging.delete(id)
  }

  #receive(message: JSONRPCMessage) {
    if (isJSONRPCRequest(message) && message.method === "subscriptions/listen") {
      const refusal = this.#listen(message)
      if (refusal !== undefined) {
        const answer = { jsonrpc: "2.0" as const, id: message.id, error: refusal }
        this.#options.transport.send(answer).catch((cause) => this.onerror?.(cause))
        return
      }
    }
    if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"]
      if (isId(id)) this.#forget(id)
    }
    this.onmessage?.(message)
  }

  /** Notes the tasks that the request names; what else it says is for the SDK to judge. */
  #listen({ id, params }: JSONRPCRequest) {
    if (this.#asked.has(id) || this.#followed.has(id)) {
      return { code: INVALID_REQUEST, message: "A request with this id is still running" }
    }
    const notifications = params?.["notifications"]
    if (!isObject(notifications) || notifications["taskIds"] === undefined) return undefined
    const filter = decodeListen(params)
    if (Option.isNone(filter)) return { code: INVALID_PARAMS, message: notAFilter }
    const { taskIds = [] } = filter.value.notifications
    if (taskIds.length > 0) this.#asked.set(id, taskIds)
    return undefined
  }

  #acknowledge(id: RequestId, ids: ReadonlyArray<string>, message: JSONRPCNotification) {
    const { principal, tasks, transport } = this.#options
    // Changes are heard from here on; those of tasks that turn out to be others' are not told.
    const asked: ReadonlySet<string> = new Set(ids)
    this.#followed.set(id, asked)
    const own = principal.pipe(
      Effect.flatMap((caller) => ownTasks(tasks, caller, [...asked])),
      Effect.timeout(taskListening),
      Effect.catch((error) => Effect.as(Effect.logWarning("It is not known whose tasks these are", error), []))
    )
    const completed = Effect.flatMap(own, (taskIds) =>
      Effect.promise(async () => {
        if (this.#followed.get(id) !== asked) return false
        if (taskIds.length === 0) this.#followed.delete(id)
        else this.#followed.set(id, new Set(taskIds))
        const notifications = message.params?.["notifications"]
        const honoured = {
          ...(isObject(notifications) ? notifications : {}),
          ...(taskIds.length === 0 ? {} : { taskIds })
        }
        await transport.send({ ...message, params: { ...message.params, notifications: honoured } })
        return true
      })
    )
    const acknowledgement = this.#run(completed)
    this.#acknowledging.set(id, acknowledgement)
    // Before what waits for it goes on, so that nothing overtakes that.
    void acknowledgement.then(() => {
      if (this.#acknowledging.get(id) === acknowledgement) this.#acknowledging.delete(id)
    })
  }

  #tell(taskId: string): Effect.Effect<void> {
    const { principal, tasks } = this.#options
    return principal.pipe(
      Effect.flatMap((caller) => tasks.get(caller, taskId)),
      Effect.timeout(taskListening),
      Effect.flatMap((task) =>
        Effect.promise(async () => {
          const followers = [...this.#followed].filter(([, ids]) => ids.has(taskId))
          await Promise.all(followers.map(([id]) => this.send(taskNotification(id, task))))
        })
      ),
      Effect.catch((error) => Effect.logDebug("Nobody is told of a task", error))
    )
  }
}
