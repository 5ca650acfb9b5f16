import { Config, ConfigProvider, Effect, Layer, Option } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"

/** What the OpenTelemetry specification takes for absent names; Effect takes them for "none". */
const usualExporters = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp" })
)

/**
 * Exports spans and metrics over OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set, as the other standard `OTEL_*` names
 * say, and nothing otherwise. Logs stay on standard error: the exporter would send them before they are redacted.
 */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const endpoint = yield* Config.option(Config.URL("OTEL_EXPORTER_OTLP_ENDPOINT"))
    if (Option.isNone(endpoint)) return Layer.empty
    const serviceName = yield* Config.NonEmptyString("OTEL_SERVICE_NAME").pipe(Config.withDefault("devops-mcp"))
    const resource = { serviceName }
    return Layer.merge(OtlpTracer.layerFromConfig({ resource }), OtlpMetrics.layerFromConfig({ resource })).pipe(
      Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer, usualExporters])
    )
  })
)
