import { makeAuditChain } from "@devops-mcp/core/audit/AuditChain"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { verifyExport } from "@devops-mcp/core/audit/AuditExport"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { reasonOf } from "@devops-mcp/database/Errors"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"

import { append, at, exported, list, newEntry, occurredAt, TestLayer, verify } from "./AuditFixtures.ts"

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("the audit log", (it) => {
  it.effect("appends for several tenants at once, and shows each its own, newest first", () =>
    Effect.gen(function* () {
      const audit = yield* AuditRepository
      const { links } = yield* makeAuditChain
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const entries = [newEntry({ target: "a", address: "::1" }), newEntry(), newEntry({ credential: "jwt" })]
      yield* audit.append(
        [
          { tenantId: mine, entry: entries[0]! },
          { tenantId: theirs, entry: newEntry() },
          ...entries.slice(1).map((entry) => ({ tenantId: mine, entry }))
        ],
        links
      )
      yield* audit.append([], links)
      const listed = yield* list(mine)
      assert.deepStrictEqual(
        listed.map(({ hash: _hash, prevHash: _prev, recordedAt: _at, seq, tenantId, ...entry }) => [
          seq,
          tenantId,
          entry
        ]),
        entries.map((entry, index) => [index + 1, mine, entry]).toReversed()
      )
      assert.strictEqual(listed[0]?.prevHash, listed[1]?.hash)
      assert.strictEqual((yield* list(theirs)).length, 1)
      assert.deepStrictEqual(yield* verify(mine), { valid: true, checked: 3 })
      assert.deepStrictEqual(yield* verify(theirs), { valid: true, checked: 1 })
      assert.deepStrictEqual(yield* verify(yield* freshTenant), { valid: true, checked: 0 })
    })
  )

  it.effect("finds rows by each filter, page by page", () =>
    Effect.gen(function* () {
      const audit = yield* AuditRepository
      const tenant = yield* freshTenant
      const day = (n: number) => DateTime.add(occurredAt, { days: n })
      yield* append(tenant, [
        newEntry({ actor: "bob", target: "x" }),
        newEntry({ action: "contexts.get", occurredAt: day(1) }),
        newEntry({ outcome: "denied", occurredAt: day(2) }),
        newEntry({ occurredAt: day(3) })
      ])
      const found = (filter: object) => Effect.map(list(tenant, filter), (rows) => rows.map(({ seq }) => seq))
      assert.deepStrictEqual(yield* found({ actor: "bob" }), [1])
      assert.deepStrictEqual(yield* found({ action: "contexts.get" }), [2])
      assert.deepStrictEqual(yield* found({ outcome: "denied" }), [3])
      assert.deepStrictEqual(yield* found({ target: "x" }), [1])
      assert.deepStrictEqual(yield* found({ since: day(1), until: day(3) }), [3, 2])
      assert.deepStrictEqual(yield* found({ actor: "ada", outcome: "ok" }), [4, 2])
      const first = yield* audit.list(tenant, { limit: 3 })
      const rest = yield* audit.list(tenant, { limit: 3, cursor: first.nextCursor ?? "" })
      assert.deepStrictEqual(
        [...first.items, ...rest.items].map(({ seq }) => seq),
        [4, 3, 2, 1]
      )
      assert.isNull(rest.nextCursor)
      const refused = yield* Effect.flip(audit.list(tenant, { limit: 1, cursor: "x" }))
      assert.strictEqual(refused._tag, "@devops-mcp/core/ports/Cursor/CursorError")
    })
  )

  it.effect("neither role can change or remove a row, and the application's cannot write one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const tenant = yield* freshTenant
      yield* append(tenant, [newEntry()])
      const refused = Effect.fnUntraced(function* (attempt: Effect.Effect<unknown, { readonly cause: unknown }>) {
        const { cause } = yield* Effect.flip(attempt)
        assert.isTrue(SqlError.isSqlError(cause) && cause.reason._tag === "AuthorizationError")
      })
      for (const statement of [
        sql`update audit_log set actor = 'eve'`,
        sql`delete from audit_log`,
        sql`truncate audit_log`,
        sql`delete from audit_heads`
      ]) {
        yield* refused(tenancy.run(tenant, "test", statement))
        yield* refused(tenancy.system("test", statement))
      }
      for (const statement of [
        sql`insert into audit_log select * from audit_log`,
        sql`update audit_heads set seq = 0`,
        sql`select audit_drop_partition('2020-01-01')::text`
      ]) {
        yield* refused(tenancy.run(tenant, "test", statement))
      }
      assert.deepStrictEqual(yield* verify(tenant), { valid: true, checked: 1 })
    })
  )

  it.effect("writers who append at once make one unbroken chain", () =>
    Effect.gen(function* () {
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const { links } = yield* makeAuditChain
      const audit = yield* AuditRepository
      const batches = Array.from({ length: 24 }, (_, index) =>
        Array.from({ length: 1 + (index % 4) }, (_, n) => ({
          tenantId: (index + n) % 3 === 0 ? theirs : mine,
          entry: newEntry({ actor: `writer ${index}` })
        }))
      )
      yield* Effect.forEach(batches, (batch) => audit.append(batch, links), { concurrency: "unbounded" })
      const rows = batches.flat()
      const ofMine = rows.filter(({ tenantId }) => tenantId === mine).length
      assert.deepStrictEqual(yield* verify(mine), { valid: true, checked: ofMine })
      assert.deepStrictEqual(yield* verify(theirs), { valid: true, checked: rows.length - ofMine })
    })
  )

  it.effect("does not write twice what an attempt has written whose answer was lost", () =>
    Effect.gen(function* () {
      const tenant = yield* freshTenant
      const [first, second] = [newEntry(), newEntry()]
      yield* append(tenant, [first])
      yield* append(tenant, [first, second], true)
      yield* append(tenant, [first, second], true)
      assert.deepStrictEqual(
        (yield* list(tenant)).map(({ id }) => id),
        [second.id, first.id]
      )
      assert.deepStrictEqual(yield* verify(tenant), { valid: true, checked: 2 })
    })
  )

  it.effect("drops whole months, leaves the rest verifiable, and keeps its place", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const trail = yield* AuditTrail
      const [tenant, other] = [yield* freshTenant, yield* freshTenant]
      yield* append(tenant, [newEntry(), newEntry()]).pipe(at("2024-01-31T23:59:59.999Z"))
      yield* append(tenant, [newEntry()]).pipe(at("2024-02-01T00:00:00Z"))
      // A clock that goes back does not move a row into an earlier month.
      yield* append(tenant, [newEntry()]).pipe(at("2024-01-15T00:00:00Z"))
      yield* append(other, [newEntry()]).pipe(at("2024-01-10T00:00:00Z"))
      assert.deepStrictEqual(yield* verify(tenant), { valid: true, checked: 4 })

      const upkeep = trail.upkeep(Duration.days(365))
      assert.deepStrictEqual(yield* upkeep.pipe(at("2025-01-30T00:00:00Z")), [])
      const twice = yield* Effect.all([upkeep, upkeep], { concurrency: 2 }).pipe(at("2025-02-01T00:00:00Z"))
      assert.deepStrictEqual(twice.flat(), ["audit_log_2024_01"])
      assert.deepStrictEqual(
        (yield* list(tenant)).map(({ seq }) => seq),
        [4, 3]
      )
      assert.deepStrictEqual(yield* verify(tenant), { valid: true, checked: 2 })
      assert.deepStrictEqual(yield* verify(other), { valid: true, checked: 0 })
      assert.isTrue((yield* verifyExport(Stream.fromIterable(yield* exported(other)))).valid)
      yield* append(other, [newEntry()])
      assert.deepStrictEqual(
        (yield* list(other)).map(({ seq }) => seq),
        [2]
      )
      assert.deepStrictEqual(yield* verify(other), { valid: true, checked: 1 })

      // Who moves the anchor without the key is found out.
      yield* sql`update audit_heads set anchor_seq = 3, anchor_hash = (
        select hash from audit_log where tenant_id = ${tenant} and seq = 3) where tenant_id = ${tenant}`
      yield* sql`delete from audit_log where tenant_id = ${tenant} and seq = 3`
      assert.deepStrictEqual((yield* verify(tenant)).firstBroken, { seq: 3, reason: "unsealed" })
    })
  )

  it.effect("makes partitions ahead, and never drops a month that has just ended", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const trail = yield* AuditTrail
      const names = Effect.map(
        sql<{ readonly name: string }>`
          select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_log'::regclass`,
        (rows) => rows.map(({ name }) => name)
      )
      const now = yield* DateTime.now
      const month = (time: DateTime.Utc) => `audit_log_${DateTime.formatIso(time).slice(0, 7).replace("-", "_")}`
      const ahead = [0, 1, 2, 3].map((n) => month(DateTime.add(DateTime.startOf(now, "month"), { months: n })))
      assert.includeMembers(yield* names, ahead)
      yield* trail.upkeep(Duration.days(36_500)).pipe(at("2031-12-31T23:00:00Z"))
      assert.includeMembers(yield* names, ["audit_log_2031_12", "audit_log_2032_03"])
      const tooYoung = yield* Effect.flip(tenancy.system("test", sql`select audit_drop_partition(now()::date)::text`))
      assert.include(reasonOf(tooYoung), "too young to be dropped")
      assert.includeMembers(yield* names, ahead)
    })
  )

  it.effect("exports a piece of the chain that checks by itself, and tells when a file was cut", () =>
    Effect.gen(function* () {
      const tenant = yield* freshTenant
      yield* append(tenant, [newEntry()]).pipe(at("2026-03-01T00:00:00Z"))
      yield* append(tenant, [newEntry(), newEntry()]).pipe(at("2026-03-02T00:00:00Z"))
      yield* append(tenant, [newEntry()]).pipe(at("2026-03-03T00:00:00Z"))
      const span = {
        since: DateTime.makeUnsafe("2026-03-02T00:00:00Z"),
        until: DateTime.makeUnsafe("2026-03-03T00:00:00Z")
      }
      const lines = yield* exported(tenant, span)
      const rows = yield* list(tenant)
      assert.strictEqual(lines.length, 4)
      assert.deepStrictEqual(yield* verifyExport(Stream.fromIterable(lines)), {
        valid: true,
        checked: 2,
        last: { seq: 3, hash: rows[1]!.hash }
      })
      const verdictWithout = (index: number) => verifyExport(Stream.fromIterable(lines.toSpliced(index, 1)))
      assert.deepStrictEqual((yield* verdictWithout(1)).firstBroken, { seq: 2, reason: "missing" })
      assert.deepStrictEqual((yield* verdictWithout(2)).firstBroken, { seq: 3, reason: "missing" })
      assert.strictEqual((yield* Effect.flip(verdictWithout(3))).message, "Line 4 is missing: the file is cut off")
      assert.strictEqual((yield* Effect.flip(verdictWithout(0))).message, "Line 1 is not the header of an audit export")
      const odd = yield* Effect.flip(verifyExport(Stream.make("{}")))
      assert.strictEqual(odd.message, "Line 1 is not a line of an audit export")
    })
  )
})
