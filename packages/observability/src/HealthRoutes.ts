import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Health } from "./Health.ts"
import { makeProcessMetrics } from "./ProcessMetrics.ts"

const Live = HttpRouter.add("GET", "/livez", HttpServerResponse.jsonUnsafe({ status: "ok" }))

const Ready = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const health = yield* Health
    yield* router.add(
      "GET",
      "/readyz",
      Effect.map(health.report, (report) =>
        HttpServerResponse.jsonUnsafe(report, { status: report.status === "ready" ? 200 : 503 })
      )
    )
  })
)

const Metrics = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const processMetrics = yield* makeProcessMetrics
    yield* router.add(
      "GET",
      "/metrics",
      Effect.map(PrometheusMetrics.format(), (catalogue) =>
        HttpServerResponse.text(catalogue + processMetrics(), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      )
    )
  })
)

/** `/livez`, `/readyz` and `/metrics`, on every program and without credentials. */
export const HealthRoutes = Layer.mergeAll(Live, Ready, Metrics)
