import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { rolloutWorkflowId } from '../../../contracts/names.ts';
import type { Rig } from '../../support/rig.ts';
import { openFleet, sleeper, versionsOfProcesses } from './fleet.ts';

const instances = 6;
const strategy = { canary: { count: 2 }, max_parallel: { count: 2 }, healthy_deadline_seconds: 120 };
/** The bad version ends at once, and it takes far less than its time to notice that. */
const minHealthySeconds = { good: 1, bad: 10 };

/** A rollout of seconds, during which something is killed, and what has to be true of it nevertheless. */
export async function openCrashTrial(rig: Rig) {
  const starts = join(rig.environment.RUNTIME_DIRECTORY, 'starts');
  const runtime = {
    ...sleeper,
    command: ['sh', '-c', 'echo "$INSTANCE_ID $VERSION" >> "$STARTS"; exec sleep 100000'],
    environment: { STARTS: starts },
  };
  const fleet = await openFleet(rig, { instances, runtime });
  const versions = await fleet.versions();
  await fleet.publish('good');
  await fleet.publish('bad', { ...runtime, command: ['sh', '-c', 'exit 3'] });

  const readGenerations = async (): Promise<Map<string, number>> => {
    const { rows } = await rig.pool.query<{ id: string; generation: number }>(
      'select id, generation::int from instances where agent_id = $1',
      [fleet.agentId],
    );
    return new Map(rows.map(({ id, generation }) => [id, generation]));
  };
  const before = await readGenerations();

  /** The instances of all trials whose agents were started with the version, as often as that. */
  const readStarts = async (version: string): Promise<string[]> =>
    (await readFile(starts, 'utf8')).split('\n').flatMap((line) => {
      const [id = '', of] = line.split(' ');
      return of === version ? [id] : [];
    });
  const untilEnded = (id: string, status: string) =>
    vi.waitFor(async () => expect(await fleet.rollout(id)).toMatchObject({ status }), {
      timeout: 180_000,
      interval: 100,
    });
  /** How many generations each instance got since the beginning. */
  const changes = async () =>
    new Map([...(await readGenerations())].map(([id, generation]) => [id, generation - (before.get(id) ?? 0)]));

  return {
    request: (version: 'good' | 'bad') =>
      fleet.request(version, { ...strategy, min_healthy_seconds: minHealthySeconds[version] }),
    /** Every instance was moved once, and was started once with the version. */
    expectCompleted: async (id: string): Promise<void> => {
      await untilEnded(id, 'completed');
      const all = [...versions.keys()];
      const moved = new Map(all.map((each) => [each, 'good']));
      await fleet.untilRunning(moved);
      expect(await fleet.rollout(id)).toMatchObject({ total: 6, moved: 6, healthy: 6, failed: 0, reason: null });
      expect(await changes()).toEqual(new Map(all.map((each) => [each, 1])));
      expect(await versionsOfProcesses(all)).toEqual(moved);
      expect((await readStarts('good')).filter((each) => versions.has(each)).toSorted()).toEqual(all.toSorted());
      expect(await fleet.version('good')).toMatchObject({ stable: true, withdrawn: false });
      await untilDriven();
    },
    /** The canary was moved once and went back once, and nothing happened to the others. */
    expectRolledBack: async (id: string): Promise<void> => {
      await untilEnded(id, 'rolled_back');
      await fleet.untilRunning(versions);
      expect(await fleet.rollout(id)).toMatchObject({
        total: 6,
        moved: 2,
        healthy: 0,
        reverted: 2,
        reason: { code: 'canary_failed' },
      });
      expect([...(await changes()).values()].toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 2, 2]);
      expect(await versionsOfProcesses(versions.keys())).toEqual(versions);
      expect(await fleet.version('bad')).toMatchObject({ stable: false, withdrawn: true });
      await untilDriven();
    },
  };

  /** Its workflow has nothing left to do. */
  async function untilDriven(): Promise<void> {
    await rig.client.workflow.getHandle(rolloutWorkflowId(fleet.agentId)).result();
  }
}
