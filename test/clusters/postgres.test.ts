import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { verifyAudit, type ChainHead } from '../../backends/admin/audit/verify.ts';
import { stackRoot } from '../../stack/paths.ts';
import type { Service } from '../../workers/services/service.ts';
import { lockingAgent, readDoubles } from '../fleet/agents.ts';
import { openHost, type Host } from '../fleet/host.ts';
import { startAdminBackend } from '../support/admin-backend.ts';
import { readLog, untilAsToldToUsers, untilAtRest, untilOnBus } from '../support/clusters/agreement.ts';
import { startPostgresPair, type PostgresPair } from '../support/clusters/own-postgres.ts';
import { longestGap, startUsers, type Users } from '../support/clusters/users.ts';
import { openReplica, type Replica, type Watcher } from '../support/live.ts';
import { one, useRig, type Rig } from '../support/rig.ts';
import { withPath } from '../support/with-path.ts';

const leaseSeconds = 4;
const replaceAfterSeconds = 10;
const settings = { SWEEP_INTERVAL_SECONDS: '1', HOST_LEASE_SECONDS: String(leaseSeconds) };

/** A primary with its standby, two event_brokers, two hosts, a replica of user_backend and admin_backend, at one address of the database. */
function useSystem(name: string) {
  let pair: PostgresPair;
  let locks: string;
  let bert: Host;
  let replica: Replica;
  let watcher: Watcher;
  let agentId: string;
  const brokers: Service[] = [];
  const stops: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await pair.stop();
    await rm(locks, { recursive: true, force: true });
  });
  const rig = useRig({
    settings,
    openServers: async () => {
      pair = await startPostgresPair(join(stackRoot, name));
      return { ...inject('servers'), databaseUrl: pair.url };
    },
  });
  beforeAll(async () => {
    locks = await mkdtemp(join(tmpdir(), 'locks-'));
    agentId = await rig.publishAgent(lockingAgent(locks, { replace_after_seconds: replaceAfterSeconds }));
    brokers.push(await rig.startEventBroker(), await rig.startEventBroker());
    const anna = await rig.startAgentsWorker({ HOST_NAME: 'anna' });
    bert = await openHost(rig, 'bert', settings);
    await anna.ready();
    await vi.waitFor(async () => expect((await rig.pool.query('select from open_hosts')).rowCount).toBe(2), {
      timeout: 60_000,
    });
    const admin = await startAdminBackend(rig);
    await admin.ready();
    replica = await openReplica(rig);
    watcher = await replica.watch({ userId: crypto.randomUUID(), isAdmin: true, all: true });
    await watcher.ready();
    stops.push(
      () => bert.close(),
      () => admin.stop(),
      () => replica.close(),
    );
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });
  return {
    rig,
    pair: () => pair,
    watcher: () => watcher,
    bert: () => bert,
    users: () => startUsers(rig, { agentId }),
    /** Instances that nobody changes, on both hosts, with the processes of their agents. */
    startResting: async (): Promise<Map<string, number[]>> => {
      const ids = await Promise.all(Array.from({ length: 6 }, () => rig.insertInstance(agentId)));
      for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
      return processesOf(rig, ids);
    },
    /** Lines about agents that ran beside another one of their instance. */
    doubles: () => readDoubles(locks),
    brokers,
  };
}

async function processesOf(rig: Rig, ids: Iterable<string>): Promise<Map<string, number[]>> {
  return new Map(await Promise.all([...ids].map(async (id) => [id, await rig.processes(id)] as const)));
}

/** How often two event_brokers said at the same time that they lead. */
function watchLeaders(brokers: readonly Service[]) {
  const ended = new AbortController();
  let twice = 0;
  const leads = async (): Promise<boolean> => {
    const answers = await Promise.all(
      brokers.map(({ healthPort }) => fetch(`http://127.0.0.1:${healthPort}/ready`).then(({ ok }) => ok)),
    );
    return answers.every(Boolean);
  };
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      // The answers of one look are not of one moment.
      if ((await leads()) && (await leads()) && (await leads())) twice += 1;
      await delay(50);
    }
  };
  const watching = watch();
  return async (): Promise<number> => {
    ended.abort();
    await watching;
    return twice;
  };
}

async function untilWritten({ writes }: Users, more: number): Promise<void> {
  const count = writes.length + more;
  await vi.waitFor(() => expect(writes.length).toBeGreaterThanOrEqual(count), { timeout: 90_000, interval: 50 });
}

/** Publications whose position had another event, too. */
function positionsGivenTwice({ bus }: Rig): number[] {
  const ids = new Map<number, Set<string>>();
  for (const { id, headers } of bus.seen) {
    const position = Number(headers['position']);
    ids.set(position, (ids.get(position) ?? new Set()).add(id));
  }
  return [...ids].filter(([, { size }]) => size > 1).map(([position]) => position);
}

async function verify(rig: Rig, expected?: ChainHead) {
  const client = await rig.connect();
  return verifyAudit(client, expected);
}

/** Every event of the log is recorded once, and the chain is intact. */
async function untilRecorded(rig: Rig): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query(
        `select e.event_id from event_log e where e.position is not null
         and (select count(*) from audit_log a where a.event_id = e.event_id) <> 1`,
      );
      expect(rows).toEqual([]);
    },
    // An event that did not come over the bus is looked for once a minute, when it is a minute old.
    { timeout: 180_000, interval: 1_000 },
  );
  expect(await verify(rig)).toMatchObject({ problem: undefined });
}

/** Prints what docs/scale-out.md says. */
function sayGaps(what: string, rig: Rig, { writes }: Users, since: number): void {
  const events = rig.bus.seen.map(({ at }) => at).filter((at) => at >= since);
  const gaps = { writes: longestGap(writes.map(({ at }) => at)), events: longestGap(events) };
  process.stdout.write(
    `${what}: at most ${gaps.writes} ms between two acknowledged writes, ${gaps.events} ms between two events\n`,
  );
}

describe('a synchronous standby that is promoted under load', () => {
  const system = useSystem('clusters-postgres-synchronous');
  const { rig, pair, watcher, users: startLoad, doubles, brokers } = system;

  test('has everything that was acknowledged: each event comes once, and every instance is as its user wants it', async () => {
    await pair().makeSynchronous();
    const resting = await system.startResting();
    const since = Date.now();
    const leaders = watchLeaders(brokers);
    const users = startLoad();
    await untilWritten(users, 60);
    const { head } = await verify(rig);
    await pair().failOver();
    await untilWritten(users, 60);
    await users.stop();
    const { repeats } = await untilAsToldToUsers(rig, users.wishes.values());

    sayGaps('A synchronous standby was promoted', rig, users, since);
    process.stdout.write(`${users.writes.length} writes, ${rig.bus.seen.length} events, of them ${repeats} repeated\n`);
    expect(positionsGivenTwice(rig)).toEqual([]);
    expect(await leaders()).toBe(0);
    // The last event of an instance that was deleted may come after everything was at rest.
    await vi.waitFor(async () => {
      const pushed = (await readLog(rig)).filter(({ notification }) => isPushed(notification));
      const positions = watcher()
        .events()
        .map(({ position }) => position);
      expect(positions).toEqual(pushed.map(({ position }) => position));
    });
    expect(watcher().messages.map(({ type }) => type)).not.toContain('resync');
    await untilRecorded(rig);
    expect(await verify(rig, head ?? undefined)).toMatchObject({ problem: undefined });
    expect(await doubles()).toEqual([]);
    expect(await processesOf(rig, resting.keys())).toEqual(resting);
    expect(rig.fatal).toEqual([]);
  }, 300_000);
});

describe('an asynchronous standby that is promoted under load without the last commits', () => {
  const system = useSystem('clusters-postgres-asynchronous');
  const { rig, pair, watcher, bert, users: startLoad, doubles, brokers } = system;

  /** The position that was given last, according to a server. */
  const headOf = async (url: string): Promise<number> => {
    const client = new pg.Client(withPath(url, new URL(rig.environment.DATABASE_URL).pathname.slice(1)));
    await client.connect();
    const { rows } = await client.query<{ head: string }>('select last_given as head from event_log_positions');
    await client.end();
    return Number(one(rows).head);
  };

  test('is what everything agrees with: rows, events, workflows, agents, live updates and the audit log', async () => {
    await system.startResting();
    const since = Date.now();
    const leaders = watchLeaders(brokers);
    const users = startLoad();
    await untilWritten(users, 60);
    const { head: replicated } = await verify(rig);
    await pair().cutReplication();
    // Longer than the leases of the hosts, which the standby does not see renewed, and the time after which their instances are replaced.
    await delay((leaseSeconds + replaceAfterSeconds + 4) * 1_000);
    const { head: lost } = await verify(rig);
    const known = await headOf(pair().standbyUrl);
    const given = await headOf(pair().url);
    expect(given).toBeGreaterThan(known + 20);
    // A host that renews its lease later than the other one asks the promoted standby for its instances.
    bert().pause();
    await pair().failOver();
    const promotedAt = Date.now();
    await delay(5_000);
    bert().resume();
    await untilWritten(users, 60);
    await vi.waitFor(async () => expect(await headOf(pair().url)).toBeGreaterThan(given), { timeout: 60_000 });
    await users.stop();
    await untilAtRest(rig);
    const settledMs = Date.now() - promotedAt;

    sayGaps('An asynchronous standby was promoted', rig, users, since);
    process.stdout.write(
      `${given - known} positions were lost; everything agreed ${settledMs} ms after the promotion\n`,
    );
    expect(positionsGivenTwice(rig).length).toBeGreaterThan(20);
    expect(await leaders()).toBe(0);
    expect(await doubles()).toEqual([]);
    await untilOnBus(rig, await readLog(rig));
    await untilNoOtherWorkflowRuns();
    await untilViewIsThatOfTheRows();
    await untilRecorded(rig);
    expect(await verify(rig, replicated ?? undefined)).toMatchObject({ problem: undefined });
    expect((await verify(rig, lost ?? undefined)).problem).toBeDefined();

    const { rows } = await rig.pool.query<{ id: string }>(
      `update instances set desired_state = case desired_state when 'running' then 'stopped' else 'running' end returning id`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await untilAtRest(rig);
    expect(await doubles()).toEqual([]);
    expect(rig.fatal).toEqual([]);
  }, 600_000);

  /** Workflows of instances that only the lost commits had are over. */
  async function untilNoOtherWorkflowRuns(): Promise<void> {
    await vi.waitFor(
      async () => {
        const { rows } = await rig.pool.query<{ id: string }>('select id from instances');
        const kept = new Set(rows.map(({ id }) => id));
        const gone = new Set(
          rig.bus.seen.filter(({ type }) => type === 'instance.created').map(({ subject }) => subject),
        );
        for (const id of gone) {
          if (kept.has(id)) continue;
          const status = await rig
            .workflow(id)
            .describe()
            .then(
              (description) => description.status.name,
              (error: unknown) => {
                if (error instanceof WorkflowNotFoundError) return 'COMPLETED';
                throw error;
              },
            );
          expect([id, status]).toEqual([id, 'COMPLETED']);
        }
      },
      { timeout: 120_000, interval: 1_000 },
    );
  }

  /** A client that reads the rows when it is told to, and then takes in every event, knows what the rows say. */
  async function untilViewIsThatOfTheRows(): Promise<void> {
    await vi.waitFor(async () => {
      const { messages } = watcher();
      const told = messages.findLastIndex(({ type }) => type === 'resync');
      expect(told).toBeGreaterThan(0);
      const { rows } = await rig.pool.query<{ id: string; sequence: string }>('select id, sequence from instances');
      const heard = new Map(
        messages.slice(told).flatMap(({ instance, sequence }) => {
          const id = instance?.['instance_id'];
          return typeof id === 'string' && sequence !== undefined ? [[id, sequence] as const] : [];
        }),
      );
      const behind = rows.filter(({ id, sequence }) => heard.has(id) && heard.get(id) !== Number(sequence));
      expect(behind).toEqual([]);
      const positions = messages.slice(told).flatMap(({ position }) => position ?? []);
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    });
  }
});

function isPushed(notification: unknown): boolean {
  const { table, event_type: type } = notification as { table: string; event_type: string };
  return table === 'instances' && type !== 'insert';
}
