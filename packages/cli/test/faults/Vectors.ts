import { listening } from "@devops-mcp/testing/Peers"
import { Effect, Schema } from "effect"
import { createServer } from "node:http"

const decodeRequest = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ input: Schema.Array(Schema.String) }))
)

const dimensions = 1536

/** Different texts, different vectors; what they mean is of no interest here. */
const vectorOf = (text: string) => {
  const vector = Array.from({ length: dimensions }, () => 0)
  for (let at = 0; at < text.length; at++) {
    const place = (text.charCodeAt(at) * 31 + at) % dimensions
    vector[place] = (vector[place] ?? 0) + 1
  }
  return vector
}

/** An API of embeddings that works, is slow, or fails, as it is told. */
export const makeVectors = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let mode: "good" | "slow" | "failing" = "good"
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      if (mode === "failing") return response.writeHead(500).end("{}")
      const { input } = decodeRequest(Buffer.concat(chunks).toString("utf8"))
      const data = input.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) }))
      const answer = JSON.stringify({
        object: "list",
        model: "test",
        data,
        usage: { prompt_tokens: 1, total_tokens: 1 }
      })
      const send = () => response.writeHead(200, { "content-type": "application/json" }).end(answer)
      if (mode === "slow") run(Effect.delay(Effect.sync(send), "500 millis"))
      else send()
      return undefined
    })
  })
  const port = yield* listening(server)
  return {
    url: `http://127.0.0.1:${port}/v1`,
    be: (next: typeof mode) =>
      Effect.sync(() => {
        mode = next
      })
  }
})
