import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { migrate } from '../../database/migrate.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { agentsDirectory, stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { openBus } from '../support/bus.ts';
import { startWorkerProcess } from '../support/worker-process.ts';
import { busFloor, temporalFloor } from './floors.ts';

/**
 * `npm run bench`: from the insert of a row to `running` on the bus, one instance at a time on an idle system, with its
 * parts, and as a ratio to what the servers alone need for the same steps in the same run.
 */
const rounds = 50;
const warmUp = 5;
const directory = resolve(stackRoot, 'bench');
const agents = agentsDirectory(directory);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

await resetStack(directory);
const stack = await startStack({
  directory,
  toolsDirectory,
  portBase: 'free',
  onProgress: say,
});
const address = stack.temporal?.address ?? '';
await migrate({ databaseUrl: stack.databaseUrl });
const engine = startWorkerProcess(
  'all',
  {
    DATABASE_URL: stack.databaseUrl,
    AMQP_URL: stack.amqpUrl,
    TEMPORAL_ADDRESS: address,
    RUNTIME_DIRECTORY: agents,
    EVENT_BROKER_HEALTH_PORT: '0',
    AGENTS_WORKER_HEALTH_PORT: '0',
  },
  [],
  { programs: null },
);
const pool = new pg.Pool({ connectionString: stack.databaseUrl });
const bus = await openBus(stack.amqpUrl);
const connection = await Connection.connect({ address });
const client = new Client({ connection });

try {
  const { rows: agentRows } = await pool.query<{ id: string }>(
    `insert into agents (name, version, runtime)
     values ('sleep', '1', '{"kind": "process", "command": ["sleep", "100000"]}') returning id`,
  );
  const parts: Record<string, number>[] = [];
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const measured = await measure(agentRows[0]?.id ?? '');
    if (round >= warmUp) parts.push(measured);
  }
  const temporal = median(await temporalFloor(client, address, rounds));
  const hop = median(await busFloor(stack.amqpUrl, rounds));

  say('');
  say(`insert → running on the bus, ${rounds} instances, one at a time (ms)`);
  for (const name of Object.keys(parts[0] ?? {})) {
    const values = parts.map((part) => part[name] ?? NaN).toSorted((a, b) => a - b);
    const cells = [values[0], median(values), values[Math.floor(values.length * 0.95)], values.at(-1)];
    say(`  ${name.padEnd(24)} ${cells.map((value) => (value ?? NaN).toFixed(1).padStart(8)).join('')}`);
  }
  say(`  ${''.padEnd(24)}      min  median     p95     max`);
  const floor = temporal + 2 * hop;
  const whole = median(parts.map((part) => part['whole'] ?? NaN));
  say(
    `floor: a bare Temporal lifecycle ${temporal.toFixed(1)} + two hops over a quorum queue of ${hop.toFixed(1)} each`,
  );
  say(`whole / floor = ${whole.toFixed(1)} / ${floor.toFixed(1)} = ${(whole / floor).toFixed(2)}`);
} finally {
  await engine.kill('SIGTERM');
  await endAgents(agents);
  await Promise.all([bus.close(), connection.close(), pool.end()]);
  await stack.stop();
  await resetStack(directory);
}

/** All clocks are of this machine; Temporal's history and the log give theirs in milliseconds or better. */
async function measure(agentId: string): Promise<Record<string, number>> {
  const id = randomUUID();
  const began = Date.now();
  await pool.query('insert into instances (id, agent_id, user_id) values ($1, $2, $3)', [id, agentId, randomUUID()]);
  const running = await bus.until(id, 'instance.updated', 'running');
  const created = bus.of(id)[0];
  const { startTime } = await client.workflow.getHandle(instanceWorkflowId(id)).describe();
  const written = Date.parse(String(running.headers['cloudEvents:time']));
  const onBus = created?.at ?? NaN;

  await pool.query('delete from instances where id = $1', [id]);
  await bus.until(id, 'instance.updated', 'stopped');
  await delay(20);
  return {
    'commit → bus': onBus - began,
    'bus → Temporal': startTime.getTime() - onBus,
    workflow: written - startTime.getTime(),
    'status → bus': running.at - written,
    whole: running.at - began,
  };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
