/**
 * Answers as an API for embeddings does, at once and with vectors that mean nothing: a process of its own, so that the
 * work that they save does not count for anybody.
 */
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { announce, processMetrics } from "../ProcessMetrics.ts"

/** As many as the local model has, so that both are indexed alike. */
const dimensions = 512

/** Each text has another direction, as real ones have: an index of equal vectors would be a chain. */
const vectorOf = (seed: number) =>
  `[${Array.from({ length: dimensions }, (_, place) => Math.sin(seed * 12.9898 + place * 78.233).toFixed(4)).join(",")}]`

const pool = Array.from({ length: 256 }, (_, seed) => vectorOf(seed + 1))

let next = 0

const answerTo = (body: string) => {
  const { input } = JSON.parse(body) as { readonly input: string | ReadonlyArray<string> }
  const data = [input]
    .flat()
    .map((_, index) => `{"object":"embedding","index":${index},"embedding":${pool[next++ % pool.length]}}`)
  return `{"object":"list","model":"bench","data":[${data.join(",")}],"usage":{"prompt_tokens":1,"total_tokens":1}}`
}

announce(
  createServer((request, response) => {
    void text(request).then((body) => {
      const answer = request.url === "/metrics" ? processMetrics() : answerTo(body)
      response.writeHead(200, { "content-type": "application/json" }).end(answer)
    })
  })
)
