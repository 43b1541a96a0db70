import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { startRabbitmq } from '../../stack/rabbitmq.ts';
import type { Server } from '../../stack/server.ts';
import { resetStack } from '../../stack/stack.ts';
import { startTemporal } from '../../stack/temporal.ts';
import type { Moment } from '../support/grpc-gate.ts';
import { useRig } from '../support/rig.ts';
import { openStatementGate, type StatementGate } from '../support/statement-gate.ts';
import { openCrashTrial } from './rollouts/crash-trial.ts';
import { startEngine } from './rollouts/engine.ts';

/** Servers of this file's own: they are killed and started again in the middle of rollouts. */
const directory = join(stackRoot, 'rollout-recovery');
type ServerName = 'postgres' | 'rabbitmq' | 'temporal';
let start: Record<ServerName, () => Promise<Server & { url?: string }>>;
const running = new Map<ServerName, Server & { url?: string }>();
let gate: StatementGate;
let engine: Awaited<ReturnType<typeof startEngine>>;

afterAll(async () => {
  await Promise.all([...running.values()].map((server) => server.stop()));
  await resetStack(directory);
});
const rig = useRig({ openServers });
beforeAll(async () => {
  const { DATABASE_URL } = rig.environmentOf('agents_worker');
  gate = await openStatementGate(new URL(DATABASE_URL).host);
  engine = await startEngine(rig, { DATABASE_URL: Object.assign(new URL(DATABASE_URL), { host: gate.address }).href });
}, 120_000);
afterAll(async () => {
  await engine?.stop();
  await gate?.close();
}, 60_000);

async function openServers() {
  await resetStack(directory);
  await mkdir(directory, { recursive: true });
  const ports = await choosePorts('free');
  start = {
    postgres: () => startPostgres({ directory, ports }),
    rabbitmq: () => startRabbitmq({ directory, ports }),
    temporal: () => startTemporal({ directory, toolsDirectory, ports }),
  };
  await Promise.all((['postgres', 'rabbitmq', 'temporal'] as const).map(bringUp));
  return {
    databaseUrl: running.get('postgres')?.url ?? '',
    amqpUrl: running.get('rabbitmq')?.url ?? '',
    managementUrl: `http://127.0.0.1:${ports.management}`,
    temporalAddress: `127.0.0.1:${ports.temporal}`,
  };
}

async function bringUp(name: ServerName): Promise<void> {
  running.set(name, await start[name]());
}

type Victim = ServerName | 'event_broker';
type Step = readonly [name: string, call: string, moment: Moment];

const steps: Record<'good' | 'bad', readonly Step[]> = {
  good: [
    ['after the canary is moved', 'move_wave', 'after'],
    ['before a wave is moved', 'move_wave', 'before'],
    ['after the version is the stable one', 'complete_rollout', 'after'],
  ],
  bad: [
    ['before the canary is moved', 'move_wave', 'before'],
    ['after the rollback has begun', 'begin_rollback', 'after'],
    ['after the instances went back', 'revert_wave', 'after'],
    ['before the end is recorded', 'record_rollout', 'before'],
  ],
};

const cases = (['event_broker', 'rabbitmq', 'temporal', 'postgres'] as const).flatMap((victim) =>
  (['good', 'bad'] as const).map((version) => ({ victim, version })),
);

test.each(cases)(
  'a crash of $victim at each step of a $version version leaves the rollout where it was: no instance is moved twice, none is forgotten',
  async ({ victim, version }) => {
    const crashes: string[] = [];
    onTestFailed(() => void process.stderr.write(`crashed ${crashes.join(', ')}\n${engine.output()}`));
    const trial = await openCrashTrial(rig);
    const playing = playCrashes(victim, steps[version], crashes);
    const id = await vi.waitFor(() => trial.request(version), { timeout: 30_000 });
    await playing;
    await (version === 'good' ? trial.expectCompleted(id) : trial.expectRolledBack(id));
    expect(crashes).toEqual(steps[version].map(([name]) => name));
  },
  420_000,
);

/** Kills the victim at each of these steps, which come one after the other, and starts it again. */
function playCrashes(victim: Victim, victimSteps: readonly Step[], crashes: string[]): Promise<void> {
  let underWay: Promise<void> | undefined;
  return new Promise((resolve, reject) => {
    // The next step may come before the victim is back for good.
    const arm = ([step, ...later]: readonly Step[]): void => {
      if (!step) {
        underWay?.then(resolve, reject);
        return;
      }
      const [name, call, moment] = step;
      gate.once(call, moment, () => {
        crashes.push(name);
        underWay = underWay ? underWay.then(() => crash(victim)) : crash(victim);
        arm(later);
        return false;
      });
    };
    arm(victimSteps);
  });
}

/** The signal to kill is sent before anything else happens. */
async function crash(victim: Victim): Promise<void> {
  if (victim === 'event_broker') {
    await engine.end('event-broker', 'SIGKILL');
    engine.start('event-broker');
    return;
  }
  await running.get(victim)?.kill();
  await bringUp(victim);
}
