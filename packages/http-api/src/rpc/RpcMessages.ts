import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { Option, Schema } from "effect"
import type { RpcMessage } from "effect/rpc"

const Id = Schema.Union([Schema.String.check(Schema.isMaxLength(100)), Schema.Finite])

/** What clients may send. Headers and spans in a message are left out: who calls is who opened the connection. */
const ClientMessage = Schema.Union([
  Schema.Struct({
    _tag: Schema.Literal("Request"),
    id: Id,
    tag: Schema.String.check(Schema.isMaxLength(100)),
    payload: Schema.optionalKey(Schema.Unknown)
  }),
  Schema.Struct({ _tag: Schema.Literal("Ack"), requestId: Id }),
  Schema.Struct({ _tag: Schema.Literal("Interrupt"), requestId: Id }),
  Schema.Struct({ _tag: Schema.Literal("Ping") }),
  Schema.Struct({ _tag: Schema.Literal("Eof") })
])

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(ClientMessage))

/** A client's message; nothing when it is none. The line break at its end of newline-delimited JSON may be there or not. */
export const decodeMessage = (text: string): Option.Option<RpcMessage.FromClientEncoded> =>
  isNestedDeeper(text, deepestNesting)
    ? Option.none()
    : Option.map(decode(text), (message): RpcMessage.FromClientEncoded => {
        switch (message._tag) {
          case "Request":
            return { ...message, payload: message.payload, headers: [] }
          case "Ack":
          case "Interrupt":
            // The client made it, and the server compares it with those it has.
            return message as RpcMessage.FromClientEncoded
          default:
            return message
        }
      })

/** Our message as JSON in a line, which clients with either of the JSON serializations read. */
export const encodeMessage = (message: RpcMessage.FromServerEncoded): string => `${encode(message)}\n`

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))
