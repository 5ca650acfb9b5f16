import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import { Principal } from "@devops-mcp/domain/Principal"
import { Task } from "@devops-mcp/domain/Task"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

const TakenRow = Schema.Struct({
  id: Task.fields.id,
  kind: Schema.String,
  principal: Principal,
  input: Schema.JsonObject,
  answers: Schema.JsonObject,
  run: Schema.Int
})

const AskedRow = Schema.Struct({
  status: Task.fields.status,
  inputRequests: Schema.JsonObject.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
  answers: Schema.JsonObject,
  run: Schema.Int
})

const SilentRow = Schema.Struct({ id: TaskId, tenantId: TenantId })

const ownerOf = ({ actor, credential }: Principal) => storable(`${credential}:${actor}`)

/** The entries of an object whose key another one has, or has not. */
const entriesIn = (object: Schema.JsonObject, other: Schema.JsonObject, has: boolean): Schema.JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => Object.hasOwn(other, key) === has))

export const TaskRepositoryLive = Layer.effect(
  TaskRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const { list, missing, one, run, sql } = yield* makeTable({
      table: "tasks",
      resource: "task",
      schema: Task,
      key: "id"
    })
    const taskRow = toRow(Task)
    const principalRow = toRow(Schema.Struct({ principal: Principal }))
    const decodeTaken = decodeRows(TakenRow)
    const decodeAsked = decodeRows(AskedRow)
    const decodeSilent = decodeRows(SilentRow)

    const unfinished = sql`status in ('working', 'input_required')`
    const at = (now: DateTime.Utc) => DateTime.toDateUtc(now)
    const live = (now: DateTime.Utc) => sql`expires_at > ${at(now)}`
    const own = (principal: Principal, id: TaskId, now: DateTime.Utc) =>
      sql`id = ${id} and owner = ${ownerOf(principal)} and ${live(now)}`
    const running = (id: TaskId, number: number) => sql`id = ${id} and run = ${number} and status = 'working'`

    const get = (principal: Principal, id: TaskId, now: DateTime.Utc) =>
      one(id, sql`select * from tasks where ${own(principal, id, now)}`)

    const changed = (
      tenantId: TenantId,
      method: string,
      statement: Effect.Effect<ReadonlyArray<object>, SqlError.SqlError>
    ) =>
      run(
        tenantId,
        method,
        Effect.map(statement, (rows) => rows.length > 0)
      )

    return TaskRepository.of({
      create: (principal, task, input, limit) =>
        run(
          principal.tenantId,
          "create",
          Effect.gen(function* () {
            const owner = ownerOf(principal)
            // One after the other for each owner, or many at once would all find room for one more.
            yield* sql`select pg_advisory_xact_lock(hashtextextended(${`${principal.tenantId}:${owner}`}, 0))::text`
            const row = yield* taskRow(task)
            const columns = { ...row, ...(yield* principalRow({ principal })), tenantId: principal.tenantId }
            const [found] = yield* sql<{ readonly count: number }>`
              select count(*)::int as count from tasks
              where owner = ${owner} and ${unfinished} and ${live(task.createdAt)}`
            if ((found?.count ?? 0) >= limit) return false
            yield* sql`
              insert into tasks ${sql.insert({ ...columns, input: toJsonb(input), answers: toJsonb({}), run: 0 })}`
            return true
          })
        ),
      get: (principal, id, now) => run(principal.tenantId, "get", get(principal, id, now)),
      list: (principal, page, now) => list(principal.tenantId, page, [sql`owner = ${ownerOf(principal)}`, live(now)]),
      answer: (principal, id, answers, now) =>
        run(
          principal.tenantId,
          "answer",
          Effect.gen(function* () {
            // The lock comes first: answers that come at once are counted one after the other.
            const [asked] = yield* decodeAsked(
              yield* sql`select * from tasks where ${own(principal, id, now)} for update`
            )
            if (asked === undefined) return yield* missing(id)
            const given = entriesIn(answers, asked.inputRequests, true)
            if (asked.status !== "input_required" || Object.keys(given).length === 0) return Option.none()
            const open = entriesIn(asked.inputRequests, given, false)
            const isLast = Object.keys(open).length === 0
            yield* sql`
              update tasks set
                status = ${isLast ? "working" : "input_required"},
                input_requests = ${isLast ? null : toJsonb(open)},
                answers = ${toJsonb({ ...asked.answers, ...given })},
                seen_at = null,
                updated_at = ${at(now)}
              where id = ${id}`
            return isLast ? Option.some(asked.run + 1) : Option.none()
          })
        ),
      cancel: (principal, id, now) =>
        run(
          principal.tenantId,
          "cancel",
          Effect.gen(function* () {
            const rows = yield* sql`
              update tasks set status = 'cancelled', input_requests = null, updated_at = ${at(now)}
              where ${own(principal, id, now)} and ${unfinished} returning id`
            return { task: yield* get(principal, id, now), cancelled: rows.length > 0 }
          })
        ),
      take: (tenantId, id, now) =>
        run(
          tenantId,
          "take",
          Effect.gen(function* () {
            const rows = yield* sql`
              update tasks set run = run + 1, seen_at = ${at(now)}
              where id = ${id} and status = 'working' and ${live(now)} returning *`
            return Option.fromUndefinedOr((yield* decodeTaken(rows))[0])
          })
        ),
      isRunning: (tenantId, id, number, now) =>
        changed(tenantId, "isRunning", sql`select 1 from tasks where ${running(id, number)} and ${live(now)}`),
      setProgress: (tenantId, id, number, progress, now) =>
        run(
          tenantId,
          "setProgress",
          Effect.asVoid(sql`
            update tasks set progress = ${toJsonb(progress)}, updated_at = ${at(now)} where ${running(id, number)}`)
        ),
      touch: (tenantId, id, number, now) =>
        run(tenantId, "touch", Effect.asVoid(sql`update tasks set seen_at = ${at(now)} where ${running(id, number)}`)),
      end: (tenantId, id, number, end, now) => {
        const { status, ...content } = end
        const columns = Object.fromEntries(Object.entries(content).map(([name, value]) => [name, toJsonb(value)]))
        return changed(
          tenantId,
          "end",
          sql`
            update tasks set ${sql.update({ ...columns, status, updatedAt: at(now) })}
            where ${running(id, number)} returning id`
        )
      },
      fail: (tenantId, id, error, now) =>
        changed(
          tenantId,
          "fail",
          sql`
            update tasks set status = 'failed', error = ${toJsonb(error)}, updated_at = ${at(now)}
            where id = ${id} and status = 'working' returning id`
        ),
      failSilent: (silentSince, error, now) =>
        tenancy.system(
          "tasks.failSilent",
          Effect.flatMap(
            sql`
              update tasks set status = 'failed', error = ${toJsonb(error)}, updated_at = ${at(now)}
              where status = 'working' and seen_at <= ${at(silentSince)} returning id, tenant_id`,
            decodeSilent
          )
        ),
      sweep: (now) =>
        tenancy.system(
          "tasks.sweep",
          Effect.map(sql`delete from tasks where expires_at <= ${at(now)} returning id`, (rows) => rows.length)
        )
    })
  })
)
