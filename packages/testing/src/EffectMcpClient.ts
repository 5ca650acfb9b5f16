import { Effect, Option, Schema } from "effect"
import { McpClient, type McpClientError, McpProtocol } from "effect/ai"
import type { ChildProcess } from "effect/process"
import { type McpPeer, PeerContents, PeerError, PeerMessages, PeerResult } from "./McpClients.ts"

const protocols = {
  "Effect 2025-11-25": McpProtocol.v2025_11_25,
  "Effect 2026-07-28": McpProtocol.v2026_07_28
} as const

/** Effect's own client speaks exactly the revision that it is made for. */
export const effectClients = ["Effect 2025-11-25", "Effect 2026-07-28"] as const
export type EffectClientName = (typeof effectClients)[number]

const peerError = ({ message, reason }: McpClientError.McpClientError) =>
  new PeerError({ code: "code" in reason ? reason.code : undefined, message })

const unknownName = (name: string) => new PeerError({ code: undefined, message: `The server does not list ${name}` })

/** An answer that does not have what every client gives is a defect. */
const answer =
  <S extends Schema.Decoder<unknown>>(schema: S) =>
  (request: Effect.Effect<unknown, McpClientError.McpClientError>) =>
    request.pipe(
      Effect.mapError(peerError),
      Effect.flatMap((value) => Effect.orDie(Schema.decodeUnknownEffect(schema)(value)))
    )

/** It takes a tool or a prompt as it was listed, so it lists before it calls. */
const listedAs = <A extends { readonly name: string }>(
  name: string,
  list: Effect.Effect<ReadonlyArray<A>, McpClientError.McpClientError>
) =>
  list.pipe(
    Effect.mapError(peerError),
    Effect.flatMap((all) => Effect.fromOption(Option.fromUndefinedOr(all.find((one) => one.name === name)))),
    Effect.catchTag("NoSuchElementError", () => Effect.fail(unknownName(name)))
  )

const Tools = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    inputSchema: Schema.JsonObject,
    outputSchema: Schema.optionalKey(Schema.JsonObject)
  })
)

const Names = Schema.Array(Schema.Struct({ name: Schema.String }))

const Resources = Schema.Array(Schema.Struct({ uri: Schema.String, name: Schema.String }))

const peerOf = (client: McpClient.McpClient): McpPeer => ({
  instructions: client.instructions,
  listTools: client.listTools().pipe(answer(Tools)),
  callTool: (name, arguments_) =>
    listedAs(name, client.listTools()).pipe(
      Effect.flatMap((tool) =>
        client.callTool({ tool, arguments: arguments_ }).pipe(
          Effect.catchReason("McpClientError", "ToolError", ({ result }) => Effect.succeed(result)),
          answer(PeerResult)
        )
      )
    ),
  listResources: client.listResources().pipe(answer(Resources)),
  readResource: (uri) => client.readResource({ uri }).pipe(answer(PeerContents)),
  listPrompts: client.listPrompts().pipe(answer(Names)),
  getPrompt: (name, arguments_) =>
    listedAs(name, client.listPrompts()).pipe(
      Effect.flatMap((prompt) => client.getPrompt({ prompt, arguments: arguments_ }).pipe(answer(PeerMessages)))
    )
})

const connect = <E, R>(transport: Effect.Effect<McpClient.Transport, E | McpClientError.McpClientError, R>) =>
  McpClient.make({ name: "devops-mcp-test", version: "1.0.0" }).pipe(
    Effect.provideServiceEffect(McpClient.Transport, transport),
    Effect.map(peerOf)
  )

/** Connects over Streamable HTTP with the key as a bearer token. */
export const connectEffectHttp = (name: EffectClientName, url: string, key: string) =>
  connect(McpClient.http({ url, protocol: protocols[name], headers: { authorization: `Bearer ${key}` } }))

/** Starts a program and connects to its standard input and output. */
export const connectEffectStdio = (name: EffectClientName, command: ChildProcess.Command) =>
  connect(McpClient.stdio({ command, protocol: protocols[name] }))
