import * as Client from "@devops-mcp/database/Client"
import * as Migrations from "@devops-mcp/database/Migrations"
import { Console, Effect } from "effect"

/** Brings the database's schema up to date and says what that took. */
export const run = Effect.gen(function* () {
  const ran = yield* Migrations.migrate
  yield* Console.log(
    ran.length === 0 ? "The database's schema is up to date" : ran.map((name) => `Migrated ${name}`).join("\n")
  )
}).pipe(Effect.provide(Client.layer()))
