import { Duration, Effect, FileSystem, Option, Path, Redacted, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { concurrency } from "../Load.ts"
import { ServerFailed } from "../Server.ts"
import { jobName } from "./BareRows.ts"
import type { Instance } from "./Instance.ts"

/** pgbench counts whole seconds only. */
const seconds = 1

const job = {
  postgres: `insert into jobs (id, queue_name, element, state, attempts, visible_at, created_at, updated_at)
  values ('delivery:' || gen_random_uuid(), '${jobName}', '{"deliveryId":"00000000-0000-0000-0000-000000000000"}', 'pending', 0, now(), now(), now())
  on conflict (id, queue_name) do nothing;`,
  sqs: `insert into job_outbox (queue, id, group_key, body, available_at)
  values ('${jobName}', 'delivery:' || gen_random_uuid(), 'bench', '{"deliveryId":"00000000-0000-0000-0000-000000000000"}', now())
  on conflict (queue, id) do nothing;`
}

/** Statement by statement, as every client that knows no more of PostgreSQL than the protocol would. */
const script = (queue: keyof typeof job) => `begin;
with fresh as (select gen_random_uuid() as id), key as (
  insert into delivery_keys (tenant_id, webhook_id, external_id, delivery_id, received_at)
  select :tenant::uuid, :webhook::uuid, id::text, id, now() from fresh
  on conflict (tenant_id, webhook_id, external_id) do nothing returning *
)
insert into deliveries (id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at)
select delivery_id, tenant_id, webhook_id, 'github', external_id, 'push', :payload::jsonb, received_at from key;
${job[queue]}
commit;
`

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const { stdout } = yield* spawner.spawn(ChildProcess.make("pgbench", args, { stderr: "ignore" }))
  return yield* Stream.mkString(Stream.decodeText(stdout))
}, Effect.scoped)

/** Bare transactions in a second by pgbench, as many at once as the API has deliveries; none where there is no pgbench. */
export const makePgbench = Effect.fnUntraced(function* ({ queue, rows, url }: Instance) {
  const isThere = yield* Effect.isSuccess(run(["--version"]))
  if (!isThere) return Option.none()
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" })
  const file = path.join(folder, "bare.sql")
  yield* fs.writeFileString(file, script(queue === "postgres" ? "postgres" : "sqs"))
  const defined = Object.entries({ tenant: rows.tenantId, webhook: rows.webhookId, payload: rows.payload })
  const args = [
    "--no-vacuum",
    "--protocol=prepared",
    `--file=${file}`,
    `--client=${concurrency}`,
    `--time=${seconds}`,
    ...defined.map(([name, value]) => `--define=${name}=${value}`),
    Redacted.value(url)
  ]
  return Option.some(
    Effect.gen(function* () {
      const found = /^tps = (\S+)/m.exec(yield* run(args))?.[1]
      if (found === undefined) return yield* new ServerFailed({ detail: "pgbench did not come to its end" })
      return Number(found)
    }).pipe(Effect.timeout(Duration.seconds(30)))
  )
})
