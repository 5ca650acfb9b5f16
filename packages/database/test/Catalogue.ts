import { applicationRole, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Relations of ours: neither the server's own nor an extension's. */
const own = `c.relnamespace in (
  select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
) and not exists (select 1 from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')`

/** Everything with a tenant's data: what has a `tenant_id`, is referenced by such a table, or refers to one; partitions too. */
const tenantTables = `
  with recursive tenant_tables(oid) as (
    select c.oid from pg_class c join pg_attribute a on a.attrelid = c.oid
    where ${own} and c.relkind in ('r', 'p') and a.attname = 'tenant_id' and not a.attisdropped
    union
    select other.oid from tenant_tables t, lateral (
      select confrelid as oid from pg_constraint where contype = 'f' and conrelid = t.oid
      union all select conrelid from pg_constraint where contype = 'f' and confrelid = t.oid
      union all select inhrelid from pg_inherits where inhparent = t.oid
    ) other
  )`

/** Rights that anybody but the owner has, on whole relations and on columns. */
const granted = `
  select c.oid, c.relname::text as relation, c.relkind::text as kind, g.grantee, g.privilege_type as command, null as "column"
  from pg_class c, lateral aclexplode(c.relacl) g where ${own} and g.grantee <> c.relowner
  union all
  select c.oid, c.relname::text, c.relkind::text, g.grantee, g.privilege_type, a.attname::text
  from pg_class c join pg_attribute a on a.attrelid = c.oid, lateral aclexplode(a.attacl) g
  where ${own} and g.grantee <> c.relowner and not a.attisdropped`

/** The commands that policies can be for, as the catalogue abbreviates them. */
const policyCommand = `case command when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end`

const roleName = "coalesce((select rolname::text from pg_roles where pg_roles.oid = grantee), 'everybody')"

const ownTenant = "( SELECT current_tenant() AS current_tenant)"

/** A condition that holds every row to the tenant, whatever else it asks for. */
const heldTo = (column: string) =>
  `(condition = '(${column} = ${ownTenant})' or starts_with(condition, '((${column} = ${ownTenant}) AND '))`

/** What is wrong, a line each, as the server sees it. */
const faultQueries: ReadonlyArray<string> = [
  `${tenantTables}
   select oid::regclass || ' has no forced row-level security' as fault from tenant_tables t join pg_class c using (oid)
   where not (c.relrowsecurity and c.relforcerowsecurity)`,
  `${tenantTables}
   select relation || ': ' || ${roleName} || ' may ' || command || ' without a policy' as fault
   from (${granted}) g where oid in (select oid from tenant_tables) and kind in ('r', 'p') and not exists (
     select 1 from pg_policy p where p.polrelid = g.oid and p.polpermissive and g.grantee = any(p.polroles)
       and p.polcmd in ('*', ${policyCommand}))`,
  // Truncating, referring and triggers are bound by no policy, so nobody may.
  `select relation || ': ' || ${roleName} || ' may ' || command as fault from (${granted}) g
   where kind in ('r', 'p', 'v', 'm', 'f') and command not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')`,
  `select relation || ': ' || ${roleName} || ' may ' || command as fault from (${granted}) g
   where grantee not in ('${applicationRole}'::regrole, '${systemRole}'::regrole)`,
  `select p.polrelid::regclass || ': the policy ' || p.polname || ' is for everybody' as fault
   from pg_policy p where 0 = any(p.polroles)`,
  // Permissive policies add up, so each of the application's must hold every row to the tenant.
  `select p.polrelid::regclass || ': the policy ' || p.polname || ' shows the application more than its tenant' as fault
   from pg_policy p where p.polpermissive and '${applicationRole}'::regrole = any(p.polroles)
     and exists (
       select 1 from (values (pg_get_expr(p.polqual, p.polrelid), 'rwd*'), (pg_get_expr(p.polwithcheck, p.polrelid), 'aw*'))
         as shown(condition, commands)
       where strpos(commands, p.polcmd::text) > 0
         and coalesce(not ${heldTo("tenant_id")}, true)
         and coalesce(not (p.polrelid = 'tenants'::regclass and ${heldTo("id")}), true)
         -- What an update without a check of its own writes is held to what it may see.
         and not (p.polcmd in ('w', '*') and commands = 'aw*' and condition is null))`,
  // A view shows what its owner may see, unless it says otherwise.
  `select c.relname || ' is a view with the rights of its owner' as fault from pg_class c
   where ${own} and c.relkind in ('v', 'm')
     and (c.relkind = 'm' or not coalesce('security_invoker=true' = any(c.reloptions), false))`,
  // Only partitions are made and dropped so, each function for a month and nothing else.
  // What runs as its owner is bound by no policy, and must look nowhere else for what it calls.
  `select p.oid::regprocedure || ' runs with the rights of its owner' as fault from pg_proc p
   where p.prosecdef and p.pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
     and (has_function_privilege('${applicationRole}', p.oid, 'execute')
       or not exists (select 1 from unnest(p.proconfig) c where starts_with(c, 'search_path=')))`,
  `select rolname || ' is more than a role' as fault from pg_roles
   where rolname in ('${applicationRole}', '${systemRole}')
     and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin or rolreplication)`,
  `select member::regrole || ' has the rights of ' || roleid::regrole as fault from pg_auth_members
   where member in ('${applicationRole}'::regrole, '${systemRole}'::regrole)`,
  `select refobjid::regrole || ' owns ' || pg_describe_object(classid, objid, objsubid) as fault from pg_shdepend
   where deptype = 'o' and refobjid in ('${applicationRole}'::regrole, '${systemRole}'::regrole)
     and dbid in (0, (select oid from pg_database where datname = current_database()))`,
  `select r || ' may create in ' || n.nspname as fault
   from unnest(array['${applicationRole}', '${systemRole}']) r, pg_namespace n where has_schema_privilege(r, n.oid, 'create')`
]

const lines = Effect.fnUntraced(function* (query: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly fault: string }>`${sql.literal(query)}`
  return rows.map(({ fault }) => fault)
})

/** Every hole in the isolation of tenants that the catalogue shows; none in a schema that is as it should be. */
export const faults = Effect.map(Effect.forEach(faultQueries, lines), (found) => found.flat().toSorted())

/** The tables with a tenant's data. */
export const tenantTableNames = lines(`
  ${tenantTables} select c.relname::text as fault from tenant_tables t join pg_class c using (oid) order by 1`)

/** Those of them, and others, that are a part of one. */
export const partitionNames = lines("select relname::text as fault from pg_class where relispartition")

/** What the role may have done with the rights of whoever owns the function. */
export const ownersFunctionsOf = (role: string) =>
  lines(`
    select oid::regprocedure::text as fault from pg_proc
    where prosecdef and pronamespace <> 'pg_catalog'::regnamespace and has_function_privilege('${role}', oid, 'execute')
    order by 1`)

/** What a role may do: a line for each relation, with the columns of a command when they are not all. */
export const rightsOf = (role: string) =>
  lines(`
    select relation || ': ' || string_agg(command || columns, ', ' order by command) as fault
    from (
      select relation, lower(command) as command,
        coalesce(' (' || string_agg("column", ', ' order by "column") || ')', '') as columns
      from (${granted}) g where grantee = '${role}'::regrole group by relation, command, "column" is null
    ) rights group by relation order by 1`)

/** Which rows a role may do it with. */
export const policiesOf = (role: string) =>
  lines(`
    select p.polrelid::regclass || ': '
      || case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
         else 'everything' end
      || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
      || coalesce(' check ' || pg_get_expr(p.polwithcheck, p.polrelid), '') as fault
    from pg_policy p where '${role}'::regrole = any(p.polroles) order by 1`)
