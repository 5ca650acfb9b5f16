import {
  Config,
  Context,
  Effect,
  Formatter,
  Layer,
  Logger,
  type LogLevel,
  Option,
  References,
  Schema,
  Stdio,
  Tracer
} from "effect"
import { redactJson } from "./Redaction.ts"

const levels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const satisfies Record<string, LogLevel.LogLevel>

const logLevel = Config.Literals(["trace", "debug", "info", "warn", "error", "fatal", "none"], "LOG_LEVEL").pipe(
  Config.withDefault("info" as const),
  Config.map((level) => levels[level])
)

const logFormat = Config.option(Config.Literals(["pretty", "json"], "LOG_FORMAT"))

const decodeJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/** One log line as plain JSON without secrets: time, level, message, what it is annotated with, trace and cause. */
const line = Logger.make((options: Logger.Options<unknown>) => {
  const { annotations, cause, level, message, spans, timestamp } = Logger.formatStructured.log(options)
  const span = Option.getOrUndefined(Context.getOption(options.fiber.context, Tracer.ParentSpan))
  // There and back, because only what has been through it is plain: annotations may be anything.
  const entry = decodeJson(
    Formatter.formatJson({
      timestamp,
      level,
      message,
      ...annotations,
      ...spans,
      ...(span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId }),
      ...(cause === undefined ? {} : { cause })
    })
  )
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, redactJson(value, name)]))
})

const json = Logger.map(line, (entry) => Formatter.formatJson(entry))

const text = (value: unknown) => (typeof value === "string" ? value : Formatter.formatJson(value))

const pretty = Logger.map(line, (entry) => {
  const { cause, level, message, spanId: _, timestamp, traceId: __, ...annotations } = entry
  const noted = Object.entries(annotations)
    .map(([name, value]) => ` ${name}=${text(value)}`)
    .join("")
  const messages = Array.isArray(message) ? message.map(text).join(" ") : text(message)
  const time = text(timestamp).slice(11, 23)
  return `${time} ${text(level).padEnd(5)} ${messages}${noted}${cause === undefined ? "" : `\n${text(cause)}`}`
})

/**
 * Logs to standard error, which keeps standard output for answers: `LOG_FORMAT` (`pretty` on a terminal, else `json`)
 * and `LOG_LEVEL` (`info`). Nothing that looks like a secret is written.
 */
export const layer: Layer.Layer<never, Config.ConfigError, Stdio.Stdio> = Layer.unwrap(
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    const configured = yield* logFormat
    const usual = (yield* stdio.stderrIsTerminal) ? "pretty" : "json"
    const format = Option.getOrElse(configured, () => usual)
    return Layer.merge(
      Logger.layer([Logger.withConsoleError(format === "pretty" ? pretty : json)]),
      Layer.succeed(References.MinimumLogLevel, yield* logLevel)
    )
  })
)
