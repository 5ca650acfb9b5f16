import { Health } from "@devops-mcp/observability/Health"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { webhookDeliveries } from "@devops-mcp/observability/Metrics"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { HttpClient, HttpRouter } from "effect/http"

const TestServer = HttpRouter.serve(HealthRoutes, { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provideMerge(Health.layer),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const get = (path: string) =>
  Effect.gen(function* () {
    const { headers, status, text } = yield* HttpClient.get(path)
    return { headers, status, text: yield* text }
  })

const sample =
  /^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*\})? (?:[-+]?[0-9.eE+-]+|NaN|[+-]Inf)$/

layer(TestServer, { excludeTestServices: true })("HealthRoutes", (it) => {
  it.effect("/livez is ok whatever is broken", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.register({ name: "database", required: true, check: Effect.fail({ message: "refused" }) })
      const { status, text } = yield* get("/livez")
      assert.strictEqual(status, 200)
      assert.strictEqual(text, '{"status":"ok"}')
    }).pipe(Effect.scoped)
  )

  it.effect("/readyz is 200 while only what is optional fails, and 503 when something required does", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.register({ name: "database", required: true, check: Effect.void })
      yield* health.register({ name: "cache", required: false, check: Effect.fail({ message: "refused" }) })
      const ready = yield* get("/readyz")
      assert.strictEqual(ready.status, 200)
      assert.strictEqual(ready.headers["content-type"], "application/json")
      assert.strictEqual(
        ready.text,
        '{"status":"ready","checks":[{"name":"database","required":true,"status":"ok"},' +
          '{"name":"cache","required":false,"status":"failing","detail":"refused"}]}'
      )
      yield* health.register({ name: "queue", required: true, check: Effect.fail({ message: "gone" }) })
      const broken = yield* get("/readyz")
      assert.strictEqual(broken.status, 503)
      assert.include(broken.text, '"not_ready"')
    }).pipe(Effect.scoped)
  )

  it.effect("/metrics is Prometheus' text format, with the catalogue and the process", () =>
    Effect.gen(function* () {
      yield* Metric.update(Metric.withAttributes(webhookDeliveries, { outcome: 'accepted "\\\n' }), 1)
      const { headers, status, text } = yield* get("/metrics")
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      assert.isTrue(text.endsWith("\n"))
      const lines = text.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.filter((line) => !line.startsWith("# ") && !sample.test(line)),
        []
      )
      const families = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2])
      assert.strictEqual(new Set(families).size, families.length)
      assert.includeMembers(families, [
        "webhook_deliveries_total",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "nodejs_eventloop_lag_mean_seconds",
        "nodejs_eventloop_lag_p99_seconds"
      ])
      assert.match(text, /^process_resident_memory_bytes [1-9]\d{6,}$/m)
      assert.match(text, /^process_start_time_seconds 1\d{9}(?:\.\d+)?$/m)
    })
  )
})
