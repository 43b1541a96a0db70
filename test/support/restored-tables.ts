import { one, type Rig } from './rig.ts';

const tables = [
  'instances',
  'event_log_entries',
  'event_log_waiting',
  'event_log_publications',
  'event_log_positions',
  'deleted_entities',
];

/** Keeps what the tables of instances and their log hold, as a dump of them holds it. */
export async function backUp({ pool }: Rig): Promise<void> {
  for (const table of tables) await pool.query(`create table kept_${table} as table ${table}`);
}

/** Puts the tables back past every trigger, as pg_restore does; rows are as old as they were then. */
export async function restore(rig: Rig): Promise<void> {
  const client = await rig.connect();
  await client.query('begin; set local session_replication_role = replica');
  for (const table of tables) {
    const columns = await columnsOf(rig, table);
    await client.query(`delete from ${table};
      insert into ${table} (${columns}) overriding system value select ${columns} from kept_${table}`);
  }
  await client.query(`update instances set updated_at = now() - interval '1 hour'; commit`);
}

/** All but those that PostgreSQL computes. */
async function columnsOf({ pool }: Rig, table: string): Promise<string> {
  const { rows } = await pool.query<{ columns: string }>(
    `select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
    [table],
  );
  return one(rows).columns;
}
