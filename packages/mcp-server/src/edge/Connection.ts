import type { Change } from "@devops-mcp/core/changes/Changes"
import type { AuthenticationError } from "@devops-mcp/core/access/Authentication"
import type { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Server, Transport } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import { Effect } from "effect"
import { BoundedTransport } from "./BoundedTransport.ts"
import { Caller, type Subscriptions } from "./Caller.ts"
import { RecordedTransport } from "./RecordedTransport.ts"
import type { Registries } from "./Registries.ts"
import { makeSdkServer, sdkReporter } from "./SdkServer.ts"
import { TaskSubscriptions } from "./TaskSubscriptions.ts"

/** `subscriptions/listen` streams of one connection. */
const maxListenStreams = 16

/** Resources that one connection of the older revisions may subscribe to, and the length of their addresses. */
const maxSubscriptions = 1000
const maxUriLength = 2048

export interface ConnectionOptions extends Pick<Caller, "admitted" | "requestId" | "context" | "view"> {
  readonly principal: Effect.Effect<Principal, AuthenticationError>
  /** Asked before each request of the client is handled; absent where there is only one client. */
  readonly limit?: (principal: Principal) => Effect.Effect<unknown, RateLimited>
  readonly registries: Registries["Service"]
  /** One message after the other in both directions, of one client. The connection owns it. */
  readonly transport: Transport
}

/** A client that stays: over standard input and output, or a WebSocket. */
export interface Connection {
  /** Tells the client of a change if it wants to know. */
  readonly hear: (change: Change) => void
  /** Refuses further requests, and ends the connection once the running ones are answered. */
  readonly drain: () => void
  /** Ends the connection and stops what it does. */
  readonly close: () => Promise<void>
}

const makeSubscriptions = (uris: Set<string>): Subscriptions => ({
  add: (uri) =>
    uris.size >= maxSubscriptions || uri.length > maxUriLength
      ? Effect.fail(new StoreError({ operation: "one more subscription", retryable: false, cause: new Error(uri) }))
      : Effect.sync(() => void uris.add(uri)),
  remove: (uri) => Effect.sync(() => void uris.delete(uri))
})

interface Instance {
  readonly server: Server
  /** The SDK hands changes on to who listens; before, clients got them once they had said that they are ready. */
  readonly isModern: boolean
  ready: boolean
}

type ListedChange = Exclude<Change, { readonly _tag: "TaskChanged" }>

const notify = ({ isModern, server }: Instance, change: ListedChange, uris: ReadonlySet<string>): Promise<void> => {
  switch (change._tag) {
    case "ToolsChanged":
      return server.sendToolListChanged()
    case "ResourcesChanged":
      return server.sendResourceListChanged()
    case "PromptsChanged":
      return server.sendPromptListChanged()
    case "ResourceUpdated":
      return isModern || uris.has(change.uri) ? server.sendResourceUpdated({ uri: change.uri }) : Promise.resolve()
  }
}

/** Serves one client in the era that its first message chooses. */
export const openConnection = (options: ConnectionOptions): Connection => {
  const { admitted, context, limit, principal, registries, requestId, view } = options
  const uris = new Set<string>()
  const limited = limit === undefined ? principal : Effect.tap(principal, limit)
  const subscriptions = makeSubscriptions(uris)
  const caller = new Caller({ admitted, principal: limited, requestId, context, view, subscriptions })
  const recorded = new RecordedTransport({
    transport: options.transport,
    audit: registries.audit,
    callerOf: () => caller
  })
  const bounded = new BoundedTransport(recorded)
  const transport = new TaskSubscriptions({ transport: bounded, tasks: registries.tasks, principal, context })
  const onerror = sdkReporter(context)
  let instance: Instance | undefined

  const handle = serveStdio(
    ({ era }) => {
      const server = makeSdkServer({ registries, recorded, callerOf: () => caller, era: "negotiated" })
      const opened: Instance = { server, isModern: era === "modern", ready: era === "modern" }
      server.oninitialized = () => (opened.ready = true)
      instance = opened
      return server
    },
    { transport, onerror, maxSubscriptions: maxListenStreams }
  )

  return {
    hear: (change) => {
      if (instance === undefined || !instance.ready || change.tenantId !== admitted.tenantId) return
      if (change._tag === "TaskChanged") return transport.hear(change.taskId)
      // Who does not take it is being disconnected.
      notify(instance, change, uris).catch(onerror)
    },
    drain: () => bounded.drain(() => void handle.close()),
    close: () => handle.close()
  }
}
