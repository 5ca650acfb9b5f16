import { Config, Schema } from "effect"

/** Where jobs wait. */
export const queueDriver = Config.Literals(["postgres", "sqs"], "QUEUE_DRIVER").pipe(
  Config.withDefault("postgres" as const)
)

/** What the names of our queues in Amazon SQS begin with, and whether we make those that are missing. */
export const sqsSettings = Config.all({
  prefix: Config.schema(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,50}$/)), "SQS_QUEUE_PREFIX").pipe(
    Config.withDefault("devops-mcp")
  ),
  autoCreate: Config.Boolean("SQS_AUTO_CREATE").pipe(Config.withDefault(false)),
  /** Whether deliveries wait in a FIFO queue, which keeps the order of each repository's. */
  fifo: Config.Boolean("SQS_FIFO").pipe(Config.withDefault(true))
})
