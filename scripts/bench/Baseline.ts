/**
 * What everything is compared with: a plain `node:http` server, a process of its own. `/bytes/N` answers N bytes once
 * the request's body has arrived, `/metrics` tells what the process uses, under the names that our server uses.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { cpuUsage, memoryUsage } from "node:process"

const metrics = () => {
  const { system, user } = cpuUsage()
  return `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${memoryUsage.rss()}\n`
}

const bodies = new Map<string, string>()

const bodyOf = (path: string) => {
  const body = bodies.get(path) ?? "x".repeat(Number(path.slice("/bytes/".length)))
  bodies.set(path, body)
  return body
}

const server = createServer((request, response) => {
  const { url = "/" } = request
  request.resume().on("end", () => {
    const body = url === "/metrics" ? metrics() : bodyOf(url)
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
  })
})

server.listen(0, "127.0.0.1", () => {
  // Listening on a port, and not on a pipe, its address is an object.
  const { port } = server.address() as AddressInfo
  process.stdout.write(`http://localhost:${port}\n`)
})
