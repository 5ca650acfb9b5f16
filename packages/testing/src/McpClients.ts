import { Client as ClientV2, StreamableHTTPClientTransport as HttpTransportV2 } from "@modelcontextprotocol/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as HttpTransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, Schema, type Scope } from "effect"
import type { Readable, Writable } from "node:stream"
import { LineTransport, SocketTransport } from "./McpTransports.ts"

/** The clients that agents use: the older SDK, and the newer one in each of its ways to agree on a revision. */
export const mcpClients = ["SDK 1", "SDK 2 legacy", "SDK 2 auto", "SDK 2 pinned to 2026-07-28"] as const
export type McpClientName = (typeof mcpClients)[number]

const modes = {
  "SDK 2 legacy": "legacy",
  "SDK 2 auto": "auto",
  "SDK 2 pinned to 2026-07-28": { pin: "2026-07-28" }
} as const

/** What the client said about a failed request; `code` is JSON-RPC's or HTTP's when it gives one. */
export class PeerError extends Schema.TaggedError<PeerError>()("@devops-mcp/testing/McpClients/PeerError", {
  code: Schema.Unknown,
  message: Schema.String
}) {}

const PeerTool = Schema.Struct({
  name: Schema.String,
  title: Schema.optionalKey(Schema.String),
  inputSchema: Schema.JsonObject,
  outputSchema: Schema.optionalKey(Schema.JsonObject),
  annotations: Schema.optionalKey(Schema.JsonObject)
})

export const PeerResult = Schema.Struct({
  content: Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optionalKey(Schema.String) })),
  structuredContent: Schema.optionalKey(Schema.JsonObject),
  isError: Schema.optionalKey(Schema.Boolean)
})

const PeerResource = Schema.Struct({ uri: Schema.String, name: Schema.String })

export const PeerContents = Schema.Struct({
  contents: Schema.Array(
    Schema.Struct({
      uri: Schema.String,
      text: Schema.optionalKey(Schema.String),
      blob: Schema.optionalKey(Schema.String)
    })
  )
})

const PeerPrompt = Schema.Struct({ name: Schema.String, description: Schema.optionalKey(Schema.String) })

export const PeerMessages = Schema.Struct({
  messages: Schema.Array(Schema.Struct({ role: Schema.String, content: Schema.JsonObject }))
})

const PeerCompletion = Schema.Struct({ completion: Schema.Struct({ values: Schema.Array(Schema.String) }) })

type Answer<A> = Effect.Effect<A, PeerError>

/** A connected client, the same for all of them. Interrupting a call cancels it as the client's own abort does. */
export interface McpPeer {
  readonly instructions: string | undefined
  readonly listTools: Answer<ReadonlyArray<typeof PeerTool.Type>>
  readonly callTool: (name: string, arguments_: Record<string, unknown>) => Answer<typeof PeerResult.Type>
  readonly listResources: Answer<ReadonlyArray<typeof PeerResource.Type>>
  readonly readResource: (uri: string) => Answer<typeof PeerContents.Type>
  readonly listPrompts: Answer<ReadonlyArray<typeof PeerPrompt.Type>>
  readonly getPrompt: (name: string, arguments_: Record<string, string>) => Answer<typeof PeerMessages.Type>
}

/** What the SDKs' clients can besides. */
export interface SdkPeer extends McpPeer {
  /** Values for an argument of a prompt. */
  readonly complete: (prompt: string, argument: string, typed: string) => Answer<ReadonlyArray<string>>
  /** Everything that was reported until the result came, and the result. */
  readonly callToolWithProgress: (
    name: string,
    arguments_: Record<string, unknown>
  ) => Answer<{ readonly progress: ReadonlyArray<number>; readonly result: typeof PeerResult.Type }>
}

const peerError = (cause: unknown) =>
  new PeerError({
    code: typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined,
    message: cause instanceof Error ? `${cause.message} ${cause.cause instanceof Error ? cause.cause.message : ""}` : ""
  })

const attempt = <A>(run: (signal: AbortSignal) => Promise<A>) => Effect.tryPromise({ try: run, catch: peerError })

/** An answer that does not have what every client gives is a defect. */
const attemptAs = <S extends Schema.Decoder<unknown>>(schema: S, run: (signal: AbortSignal) => Promise<unknown>) =>
  Effect.flatMap(attempt(run), (answer) => Effect.orDie(Schema.decodeUnknownEffect(schema)(answer)))

const Cursor = Schema.Struct({ nextCursor: Schema.optionalKey(Schema.String) })

interface Page {
  readonly cursor?: string
}

/** The newer SDK gives all pages at once, the older one page by page. */
const allPages = <Item extends Schema.Decoder<unknown>, Key extends string>(
  key: Key,
  item: Item,
  list: (page: Page | undefined, signal: AbortSignal) => Promise<unknown>
) =>
  Effect.gen(function* () {
    const items: Array<Item["Type"]> = []
    let page: Page | undefined
    do {
      const answer = yield* attempt((signal) => list(page, signal))
      const { nextCursor } = yield* Effect.orDie(Schema.decodeUnknownEffect(Cursor)(answer))
      const decoded = yield* Effect.orDie(
        Schema.decodeUnknownEffect(Schema.Struct({ [key]: Schema.Array(item) }))(answer)
      )
      items.push(...(decoded[key] ?? []))
      page = nextCursor === undefined ? undefined : { cursor: nextCursor }
    } while (page !== undefined)
    return items
  })

const information = { name: "devops-mcp-test", version: "1.0.0" }

const peerOf = (client: ClientV1 | ClientV2): SdkPeer => {
  const call = (
    name: string,
    arguments_: Record<string, unknown>,
    onprogress?: (progress: { readonly progress: number }) => void
  ) =>
    attemptAs(PeerResult, (signal) => {
      const options = { signal, ...(onprogress === undefined ? {} : { onprogress }) }
      return client instanceof ClientV1
        ? client.callTool({ name, arguments: arguments_ }, undefined, options)
        : client.callTool({ name, arguments: arguments_ }, options)
    })

  return {
    instructions: client.getInstructions(),
    listTools: allPages("tools", PeerTool, (page, signal) => client.listTools(page, { signal })),
    callTool: (name, arguments_) => call(name, arguments_),
    listResources: allPages("resources", PeerResource, (page, signal) => client.listResources(page, { signal })),
    readResource: (uri) => attemptAs(PeerContents, (signal) => client.readResource({ uri }, { signal })),
    listPrompts: allPages("prompts", PeerPrompt, (page, signal) => client.listPrompts(page, { signal })),
    getPrompt: (name, arguments_) =>
      attemptAs(PeerMessages, (signal) => client.getPrompt({ name, arguments: arguments_ }, { signal })),
    complete: (prompt, name, value) =>
      attemptAs(PeerCompletion, (signal) =>
        client.complete({ ref: { type: "ref/prompt", name: prompt }, argument: { name, value } }, { signal })
      ).pipe(Effect.map(({ completion }) => completion.values)),
    callToolWithProgress: (name, arguments_) =>
      Effect.suspend(() => {
        const progress: Array<number> = []
        return Effect.map(
          call(name, arguments_, (reported) => progress.push(reported.progress)),
          (result) => ({ progress, result })
        )
      })
  }
}

const clientV2 = (name: keyof typeof modes) => new ClientV2(information, { versionNegotiation: { mode: modes[name] } })

const closing = <C extends { readonly close: () => Promise<void> }>(client: C) =>
  Effect.acquireRelease(Effect.succeed(client), (open) => Effect.promise(() => open.close()))

/** Connects over Streamable HTTP with the key as a bearer token. */
export const connectHttp = Effect.fnUntraced(function* (name: McpClientName, url: string, key: string) {
  const options = { requestInit: { headers: { authorization: `Bearer ${key}` } } }
  if (name === "SDK 1") {
    const client = yield* closing(new ClientV1(information))
    // The older SDK's own types do not allow exact optional properties.
    const transport: object = new HttpTransportV1(new URL(url), options)
    yield* attempt((signal) => client.connect(transport as Parameters<ClientV1["connect"]>[0], { signal }))
    return peerOf(client)
  }
  const client = yield* closing(clientV2(name))
  yield* attempt((signal) => client.connect(new HttpTransportV2(new URL(url), options), { signal }))
  return peerOf(client)
})

/** One class of transport for both SDKs, whose message types differ. */
const connectOver = Effect.fnUntraced(function* (name: McpClientName, transport: object) {
  if (name === "SDK 1") {
    const client = yield* closing(new ClientV1(information))
    yield* attempt((signal) => client.connect(transport as Parameters<ClientV1["connect"]>[0], { signal }))
    return peerOf(client)
  }
  const client = yield* closing(clientV2(name))
  yield* attempt((signal) => client.connect(transport as Parameters<ClientV2["connect"]>[0], { signal }))
  return peerOf(client)
})

/** Connects to a server that reads `stdin` and writes `stdout`; closing ends its standard input. */
export const connectStdio = (
  name: McpClientName,
  { stdin, stdout }: { readonly stdin: Writable; readonly stdout: Readable }
): Effect.Effect<SdkPeer, PeerError, Scope.Scope> => connectOver(name, new LineTransport(stdout, stdin))

/** Connects over our WebSocket transport, with the key as a bearer token in the handshake. */
export const connectWebSocket = (
  name: McpClientName,
  url: string,
  key: string
): Effect.Effect<SdkPeer, PeerError, Scope.Scope> => connectOver(name, new SocketTransport(url, key))
