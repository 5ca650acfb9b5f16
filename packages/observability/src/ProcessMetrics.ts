import { Effect } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { cpuUsage, memoryUsage } from "node:process"

const family = (name: string, type: "gauge" | "counter", help: string, value: number) =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`

/** What the process itself uses, in Prometheus' text format and under the names that its usual dashboards expect. */
export const makeProcessMetrics = Effect.gen(function* () {
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: 20 })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable())
  )
  // Before the first sample the histogram has no mean.
  const seconds = (nanoseconds: number) => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0)

  return () => {
    const memory = memoryUsage()
    const cpu = cpuUsage()
    return [
      family("process_resident_memory_bytes", "gauge", "Resident memory", memory.rss),
      family("process_cpu_seconds_total", "counter", "User and system time spent", (cpu.user + cpu.system) / 1e6),
      family("process_start_time_seconds", "gauge", "Start, in Unix time", performance.timeOrigin / 1000),
      family("nodejs_heap_size_used_bytes", "gauge", "Used heap", memory.heapUsed),
      family("nodejs_heap_size_total_bytes", "gauge", "Heap", memory.heapTotal),
      family("nodejs_external_memory_bytes", "gauge", "Memory of buffers and WebAssembly", memory.external),
      family("nodejs_eventloop_lag_mean_seconds", "gauge", "Mean delay of the event loop", seconds(delay.mean)),
      family(
        "nodejs_eventloop_lag_p99_seconds",
        "gauge",
        "99th percentile of the delay",
        seconds(delay.percentile(99))
      ),
      family("nodejs_eventloop_lag_max_seconds", "gauge", "Longest delay of the event loop", seconds(delay.max))
    ].join("")
  }
})
