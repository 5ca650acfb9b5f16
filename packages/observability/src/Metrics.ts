import { Metric } from "effect"

/** Seconds, from half a millisecond to a minute: fits web requests and long tool calls. */
const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** The catalogue: every metric that the product publishes, under its Prometheus name. */
export const httpServerRequestDuration = Metric.histogram("http_server_request_duration_seconds", {
  description: "Time to answer HTTP requests",
  boundaries: seconds
})

export const mcpRequestDuration = Metric.histogram("mcp_request_duration_seconds", {
  description: "Time to answer MCP tool calls",
  boundaries: seconds
})

export const toolExecutionDuration = Metric.histogram("tool_execution_duration_seconds", {
  description: "Time that actions of tools take",
  boundaries: seconds
})

export const webhookDeliveries = Metric.counter("webhook_deliveries_total", {
  description: "Webhook deliveries by what became of them",
  incremental: true
})

export const jobDuration = Metric.histogram("job_duration_seconds", {
  description: "Time that attempts of jobs take",
  boundaries: seconds
})

export const jobs = Metric.counter("jobs_total", { description: "Attempts of jobs by outcome", incremental: true })

export const queueDepth = Metric.gauge("queue_depth", { description: "Jobs that wait" })

export const queueInFlight = Metric.gauge("queue_in_flight", { description: "Jobs that are worked on" })

export const queueOldestAge = Metric.gauge("queue_oldest_age_seconds", { description: "Age of the oldest waiting job" })

export const outboxLag = Metric.gauge("outbox_lag_seconds", {
  description: "Age of the oldest job that is not in its queue yet"
})

export const auditRowsLost = Metric.counter("audit_rows_lost_total", {
  description: "Audit rows that could not be stored; each is in the log",
  incremental: true
})

export const refusals = Metric.counter("refusals_total", {
  description: "Requests refused before their caller was known, by reason",
  incremental: true
})

export const rateLimitRejections = Metric.counter("rate_limit_rejections_total", {
  description: "Requests over a limit, by the limit",
  incremental: true
})

export const embeddingDuration = Metric.histogram("embedding_duration_seconds", {
  description: "Time that embedding takes, all texts of one call together",
  boundaries: seconds
})

export const dbPoolConnections = Metric.gauge("db_pool_connections", {
  description: "Connections to the database: those that transactions hold or wait for, and how many there may be"
})

export const dbQueryDuration = Metric.histogram("db_query_duration_seconds", {
  description: "Time that operations on the database take, with the wait for a connection",
  boundaries: seconds
})

export const circuitBreakerState = Metric.gauge("circuit_breaker_state", {
  description: "Circuit to an external service: 0 closed, 1 half open, 2 open; the worst where there are several"
})

export const cacheRequests = Metric.counter("cache_requests_total", {
  description: "Requests to the cache by operation and result",
  incremental: true
})
