/**
 * What everything is compared with: a plain `node:http` server, a process of its own. `/bytes/N` answers N bytes once
 * the request's body has arrived, `/metrics` tells what the process uses, under the names that our server uses.
 */
import { createServer } from "node:http"
import { announce, processMetrics } from "./ProcessMetrics.ts"

const bodies = new Map<string, string>()

const bodyOf = (path: string) => {
  const body = bodies.get(path) ?? "x".repeat(Number(path.slice("/bytes/".length)))
  bodies.set(path, body)
  return body
}

announce(
  createServer((request, response) => {
    const { url = "/" } = request
    request.resume().on("end", () => {
      const body = url === "/metrics" ? processMetrics() : bodyOf(url)
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
    })
  })
)
