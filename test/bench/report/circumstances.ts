import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { runCommand } from '../../../stack/command.ts';
import { managementApi } from '../../support/management.ts';
import type { Bench } from '../open-bench.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** What the figures of a run depend on: the machine, the versions and the commit. */
export async function circumstancesOf(bench: Bench) {
  const processors = cpus();
  return {
    machine: {
      processor: processors[0]?.model ?? 'unknown',
      cores: processors.length,
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
      system: `${type()} ${release()}`,
    },
    versions: {
      node: process.version,
      PostgreSQL: await versionOfPostgres(bench.databaseUrl),
      RabbitMQ: await versionOfRabbitmq(bench),
      Temporal: (await bench.temporal.workflowService.getSystemInfo({})).serverVersion,
      '@temporalio/worker': await versionIn('node_modules/@temporalio/worker'),
      '@dbos-inc/dbos-sdk': await versionIn('test/bench/compared/node_modules/@dbos-inc/dbos-sdk'),
      '@restatedev/restate-server': await versionIn('test/bench/compared/node_modules/@restatedev/restate-server'),
    },
    commit: await commitOf(),
  };
}

async function versionOfPostgres(databaseUrl: string): Promise<string> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? 'unknown';
  } finally {
    await client.end();
  }
}

async function versionOfRabbitmq({ managementUrl, amqpUrl }: Bench): Promise<string> {
  const response = await managementApi(managementUrl, amqpUrl)('GET', 'overview');
  return ((await response.json()) as { rabbitmq_version: string }).rabbitmq_version;
}

/** Null where the package is not installed. */
async function versionIn(folder: string): Promise<string | null> {
  try {
    return (JSON.parse(await readFile(`${root}${folder}/package.json`, 'utf8')) as { version: string }).version;
  } catch {
    return null;
  }
}

async function commitOf(): Promise<string | null> {
  try {
    const commit = (await runCommand('git', ['rev-parse', 'HEAD'], { cwd: root })).trim();
    const changes = await runCommand('git', ['status', '--porcelain', '--', '.', ':!docs'], { cwd: root });
    return changes === '' ? commit : `${commit} with changes`;
  } catch {
    return null;
  }
}
