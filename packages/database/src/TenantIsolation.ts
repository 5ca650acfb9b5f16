import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** The role that every request works as: not the owner of anything, bound by row-level security. */
export const applicationRole = "devops_mcp_app"

/** The role that looks up who is calling, before a tenant is known: reads keys and webhook addresses, writes tenants. */
export const systemRole = "devops_mcp_system"

/** Setting that holds the tenant of the running transaction; without it no row is visible. */
export const tenantSetting = "app.tenant_id"

/** Rights that the application role can get on a tenant's table. */
export type Right = "select" | "insert" | "update" | "delete"

/**
 * Makes a table with a `tenant_id` column a tenant's table: row-level security enabled and forced, rows of other
 * tenants neither seen nor written, and only the given rights for the application role. For migrations.
 */
export const isolate = Effect.fnUntraced(function* (
  table: string,
  rights: ReadonlyArray<Right> = ["select", "insert", "update", "delete"]
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table ${sql(table)} enable row level security`
  yield* sql`alter table ${sql(table)} force row level security`
  yield* sql`
    create policy tenant_isolation on ${sql(table)} to ${sql(applicationRole)}
    using (tenant_id = (select current_tenant()))
    with check (tenant_id = (select current_tenant()))`
  yield* sql`grant ${sql.literal(rights.join(", "))} on ${sql(table)} to ${sql(applicationRole)}`
})

/** Lets the system role do one thing with the rows of all tenants. For migrations. */
export const openToSystem = Effect.fnUntraced(function* (table: string, right: "select" | "insert") {
  const sql = yield* SqlClient.SqlClient
  const condition = right === "insert" ? sql.literal("with check (true)") : sql.literal("using (true)")
  yield* sql`
    create policy ${sql(`system_${right}`)} on ${sql(table)}
    for ${sql.literal(right)} to ${sql(systemRole)} ${condition}`
  yield* sql`grant ${sql.literal(right)} on ${sql(table)} to ${sql(systemRole)}`
})
