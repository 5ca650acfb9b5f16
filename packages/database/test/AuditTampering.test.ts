import { emptyHead, makeAuditChain } from "@devops-mcp/core/audit/AuditChain"
import { verifyExport } from "@devops-mcp/core/audit/AuditExport"
import { AuditOutcome } from "@devops-mcp/domain/Audit"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"

import { append, exported, list, newEntry, TestLayer, verify } from "./AuditFixtures.ts"

const Text = Schema.String.check(Schema.isMaxLength(20))

const Acts = Schema.Array(
  Schema.Struct({ actor: Text, target: Schema.optionalKey(Text), outcome: AuditOutcome, changes: Schema.Boolean })
).check(Schema.isMinLength(2), Schema.isMaxLength(12))

const Tampering = Schema.Struct({
  kind: Schema.Literals(["actor", "outcome", "hash", "deletion", "swap", "insertion", "tail", "rehash"]),
  place: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
})

const parse = (line: string | undefined) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ prevHash: Schema.String })))(line)

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("who touches the audit log", (it) => {
  it.effect.prop(
    "names the row that somebody has touched, here and in an export",
    { acts: Acts, tampering: Tampering },
    ({ acts, tampering: { kind, place } }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const tenant = yield* freshTenant
        const entries = acts.map(({ actor, target, ...act }) =>
          newEntry({
            ...act,
            actor: actor.toWellFormed().replaceAll("\0", ""),
            ...(target === undefined ? {} : { target: target.toWellFormed().replaceAll("\0", "") })
          })
        )
        yield* append(tenant, entries.slice(0, 1))
        yield* append(tenant, entries.slice(1))
        assert.deepStrictEqual(yield* verify(tenant), { valid: true, checked: acts.length })
        const whole = yield* exported(tenant)
        assert.isTrue((yield* verifyExport(Stream.fromIterable(whole))).valid)

        const seq =
          kind === "tail" ? acts.length : kind === "swap" ? 1 + (place % (acts.length - 1)) : 1 + (place % acts.length)
        const row = sql`tenant_id = ${tenant} and seq = ${seq}`
        const id = entries[seq - 1]?.id
        switch (kind) {
          case "actor":
            yield* sql`update audit_log set actor = actor || 'x' where ${row}`
            break
          case "outcome":
            yield* sql`update audit_log set changes = not changes where ${row}`
            break
          case "hash":
            yield* sql`update audit_log set hash = translate(hash, '0123456789abcdef', '123456789abcdef0') where ${row}`
            break
          case "deletion":
          case "tail":
            yield* sql`delete from audit_log where ${row}`
            break
          case "swap":
            yield* sql`update audit_log set seq = 0 where ${row}`
            yield* sql`update audit_log set seq = ${seq} where tenant_id = ${tenant} and seq = ${seq + 1}`
            yield* sql`update audit_log set seq = ${seq + 1} where tenant_id = ${tenant} and seq = 0`
            break
          case "insertion":
            yield* sql`
              insert into audit_log (id, tenant_id, seq, actor, credential, action, outcome, changes, request_id,
                duration_ms, occurred_at, recorded_at, prev_hash, hash)
              select 'ffffffff-0000-7000-8000-000000000000', tenant_id, seq, 'eve', credential, action, outcome, changes,
                request_id, duration_ms, occurred_at, recorded_at + interval '1 millisecond', prev_hash, hash
              from audit_log where ${row}`
            break
          case "rehash": {
            // Whoever changes a row and knows how rows are hashed.
            const [, ...others] = whole
            const chain = yield* makeAuditChain
            const head = { ...emptyHead, seq: seq - 1, hash: parse(others[seq - 1]).prevHash }
            const forged = yield* chain.links(tenant, head, [{ ...entries[seq - 1]!, actor: "eve" }])
            const { hash, recordedAt } = forged.lines[0]!
            yield* sql`
              update audit_log set actor = 'eve', hash = ${hash}, recorded_at = ${new Date(recordedAt)} where ${row}`
            break
          }
        }
        const broken = yield* verify(tenant)
        assert.isFalse(broken.valid)
        assert.strictEqual(broken.firstBroken?.seq, seq)
        if (kind === "deletion" || kind === "tail") assert.strictEqual(broken.firstBroken?.reason, "missing")
        else if (kind === "insertion")
          assert.strictEqual(broken.firstBroken?.id, "ffffffff-0000-7000-8000-000000000000")
        else if (kind !== "swap") assert.strictEqual(broken.firstBroken?.id, id)
        const offline = yield* verifyExport(Stream.fromIterable(yield* exported(tenant)))
        assert.isFalse(offline.valid || offline.firstBroken === undefined)
      }),
    { arbitrary: { runs: 40 } }
  )

  it.effect("shows a chain that was written anew by who has the database alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenant = yield* freshTenant
      yield* append(tenant, [newEntry(), newEntry(), newEntry()])
      const [, , last] = yield* list(tenant)
      // The last row goes, and the head says that there never was one.
      yield* sql`delete from audit_log where tenant_id = ${tenant} and seq = 3`
      const [second] = yield* list(tenant)
      yield* sql`update audit_heads set seq = 2, hash = ${second?.hash} where tenant_id = ${tenant}`
      assert.deepStrictEqual(yield* verify(tenant), {
        valid: false,
        checked: 2,
        firstBroken: { seq: 2, reason: "unsealed" }
      })
      // Nor does the next row make it good.
      yield* append(tenant, [newEntry()])
      assert.deepStrictEqual((yield* verify(tenant)).firstBroken, { seq: 2, reason: "unsealed" })
      assert.isDefined(last)
    })
  )
})
