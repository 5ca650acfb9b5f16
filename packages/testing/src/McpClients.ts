import { Client as ClientV2, StreamableHTTPClientTransport as HttpTransportV2 } from "@modelcontextprotocol/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as HttpTransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, Schema, type Scope } from "effect"
import type { Readable, Writable } from "node:stream"
import { createInterface } from "node:readline"

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

const PeerResult = Schema.Struct({
  content: Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optionalKey(Schema.String) })),
  structuredContent: Schema.optionalKey(Schema.JsonObject),
  isError: Schema.optionalKey(Schema.Boolean)
})

/** A connected client, the same for all of them. Interrupting a call cancels it as the client's own abort does. */
export interface McpPeer {
  readonly instructions: string | undefined
  readonly listTools: Effect.Effect<ReadonlyArray<typeof PeerTool.Type>, PeerError>
  readonly callTool: (
    name: string,
    arguments_: Record<string, unknown>
  ) => Effect.Effect<typeof PeerResult.Type, PeerError>
}

const peerError = (cause: unknown) =>
  new PeerError({
    code: typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined,
    message: cause instanceof Error ? `${cause.message} ${cause.cause instanceof Error ? cause.cause.message : ""}` : ""
  })

const attempt = <A>(run: (signal: AbortSignal) => Promise<A>) => Effect.tryPromise({ try: run, catch: peerError })

const decodeTools = Schema.decodeUnknownEffect(Schema.Struct({ tools: Schema.Array(PeerTool) }))
const decodeResult = Schema.decodeUnknownEffect(PeerResult)

const information = { name: "devops-mcp-test", version: "1.0.0" }

const peerOf = (client: ClientV1 | ClientV2): McpPeer => ({
  instructions: client.getInstructions(),
  listTools: attempt<unknown>((signal) => client.listTools(undefined, { signal })).pipe(
    Effect.flatMap((listed) => Effect.orDie(decodeTools(listed))),
    Effect.map(({ tools }) => tools)
  ),
  callTool: (name, arguments_) =>
    attempt<unknown>((signal) =>
      client instanceof ClientV1
        ? client.callTool({ name, arguments: arguments_ }, undefined, { signal })
        : client.callTool({ name, arguments: arguments_ }, { signal })
    ).pipe(Effect.flatMap((result) => Effect.orDie(decodeResult(result))))
})

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

const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))
const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** JSON-RPC a line over a pair of streams: a client's end of a server's standard input and output. */
class LineTransport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: never) => void
  readonly #input: Readable
  readonly #output: Writable

  constructor(input: Readable, output: Writable) {
    this.#input = input
    this.#output = output
  }

  start() {
    const lines = createInterface({ input: this.#input })
    // Each SDK has its own type for messages and checks them itself.
    lines.on("line", (line) => this.onmessage?.(decodeJson(line) as never))
    lines.on("close", () => this.onclose?.())
    return Promise.resolve()
  }

  send(message: unknown) {
    this.#output.write(`${encodeJson(message)}\n`)
    return Promise.resolve()
  }

  close() {
    this.#output.end()
    return Promise.resolve()
  }
}

/** Connects to a server that reads `stdin` and writes `stdout`; closing ends its standard input. */
export const connectStdio: (
  name: McpClientName,
  streams: { readonly stdin: Writable; readonly stdout: Readable }
) => Effect.Effect<McpPeer, PeerError, Scope.Scope> = Effect.fnUntraced(function* (name, { stdin, stdout }) {
  // One class for both SDKs, whose message types differ.
  const transport: object = new LineTransport(stdout, stdin)
  if (name === "SDK 1") {
    const client = yield* closing(new ClientV1(information))
    yield* attempt((signal) => client.connect(transport as Parameters<ClientV1["connect"]>[0], { signal }))
    return peerOf(client)
  }
  const client = yield* closing(clientV2(name))
  yield* attempt((signal) => client.connect(transport as Parameters<ClientV2["connect"]>[0], { signal }))
  return peerOf(client)
})
