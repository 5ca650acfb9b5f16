import type { AddressInfo } from "node:net"
import type { Server } from "node:http"
import { cpuUsage, memoryUsage } from "node:process"

/** What this process uses, under the names that our server's `/metrics` has. */
export const processMetrics = () => {
  const { system, user } = cpuUsage()
  return `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${memoryUsage.rss()}\n`
}

/** Listens on a free port, and tells the address in the first line that the process prints. */
export const announce = (server: Server) =>
  server.listen(0, "127.0.0.1", () => {
    // Listening on a port, and not on a pipe, its address is an object.
    const { port } = server.address() as AddressInfo
    process.stdout.write(`http://localhost:${port}\n`)
  })
