import { Health } from "@devops-mcp/observability/Health"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Client from "./Client.ts"
import * as Migrations from "./Migrations.ts"
import { ApiKeyRepositoryLive, IdempotencyRepositoryLive, TenantRepositoryLive } from "./repositories/Access.ts"
import { AuditRepositoryLive } from "./repositories/Audit.ts"
import { ConnectionRepositoryLive } from "./repositories/Connections.ts"
import { ContextRepositoryLive } from "./repositories/Contexts.ts"
import { DeadLetterRepositoryLive } from "./repositories/DeadLetters.ts"
import { DocumentRepositoryLive } from "./repositories/Documents.ts"
import { EventRepositoryLive } from "./repositories/Events.ts"
import { McpSessionRepositoryLive } from "./repositories/McpSessions.ts"
import { RequestReplayRepositoryLive } from "./repositories/RequestReplays.ts"
import { RetentionRepositoryLive } from "./repositories/Retention.ts"
import { SealedValuesLive } from "./repositories/SealedValues.ts"
import { SearchIndexLive } from "./repositories/SearchIndex.ts"
import { TaskRepositoryLive } from "./repositories/Tasks.ts"
import { ToolRepositoryLive } from "./repositories/Tools.ts"
import { WebhookRepositoryLive } from "./repositories/Webhooks.ts"
import { Tenancy, TransactionsLive } from "./Tenancy.ts"

/** Every repository port, on whatever client is provided. */
export const RepositoriesLive = Layer.mergeAll(
  ApiKeyRepositoryLive,
  AuditRepositoryLive,
  ConnectionRepositoryLive,
  ContextRepositoryLive,
  DeadLetterRepositoryLive,
  DocumentRepositoryLive,
  EventRepositoryLive,
  IdempotencyRepositoryLive,
  McpSessionRepositoryLive,
  RequestReplayRepositoryLive,
  RetentionRepositoryLive,
  SealedValuesLive,
  SearchIndexLive,
  TaskRepositoryLive,
  TenantRepositoryLive,
  ToolRepositoryLive,
  TransactionsLive,
  WebhookRepositoryLive
).pipe(Layer.provide(Tenancy.layer))

const HealthLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const health = yield* Health
    yield* health.register({
      name: "database",
      required: true,
      check: Effect.mapError(sql`select 1`, () => ({ message: "The database does not answer" }))
    })
  })
)

export interface DatabaseOptions extends Client.ClientOptions {
  /** `run` migrates at start, `require` refuses to start on another schema than this program's. */
  readonly migrations: "run" | "require"
}

/** The repositories and the client under them, on an up-to-date schema. */
export const DatabaseLive = ({ migrations, ...client }: DatabaseOptions) =>
  Layer.mergeAll(RepositoriesLive, HealthLive).pipe(
    Layer.provideMerge(Migrations.layer(migrations)),
    Layer.provideMerge(Client.layer(client))
  )
