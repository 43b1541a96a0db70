import { randomUUID } from 'node:crypto';
import { Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceStatus, ProvisioningFailureCode } from '../../contracts/names.ts';
import type { HostActivities, InstanceActivities } from '../../workflows/activities.ts';
import type { RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { neverRestart } from './instance-events.ts';
import { createFleet } from './instance-fleet.ts';
import { createRowModel } from './row-model.ts';

/** Those that change the world, and that trouble can befall. */
type Activity = Exclude<keyof InstanceActivities, 'readRow' | 'place' | 'locate'>;

export type FakeInstance = ReturnType<typeof createFakeInstance>;

/** One instance in memory: its row, the hosts with its agent, and what its activities do before they do what they should. */
export function createFakeInstance() {
  const id = randomUUID();
  const rows = createRowModel();
  const fleet = createFleet();
  let started = 0;
  const instance = {
    id,
    rows,
    fleet,
    /** Whether another host may take the instance when its host is lost for long. */
    replaces: false,
    /** Attempts of activities that do something, oldest first. */
    calls: [] as Activity[],
    /** How often the row was read, which changes nothing. */
    reads: 0,
    get agent() {
      const { runtimeId, generation } = fleet.agent() ?? {};
      return runtimeId === undefined || generation === undefined ? undefined : { runtimeId, generation };
    },
    /** What is published of its agent; undefined before its publication. */
    definition: { retired: false, restart: neverRestart } as { retired: boolean; restart: RestartPolicy } | undefined,
    /** Trouble: runs first in every attempt, counted from 1 for each activity. What it throws fails the attempt. */
    before: {} as Partial<Record<Activity | 'place', (attempt: number) => Promise<void> | void>>,
    /** How often a host was looked for. */
    placings: 0,
    count: (activity: Activity): number => instance.calls.filter((call) => call === activity).length,
    /** Every status that the row was said to have, oldest first. */
    statuses: (): InstanceStatus[] => {
      const all = rows.log.filter(({ type }) => type === 'instance.updated').map(({ row }) => row.status);
      return all.filter((status, index) => status !== all[index - 1]);
    },
    /** The agent ends without having been asked to. @returns what the runtime reports */
    endAgent: (kind: RuntimeExited['kind'], { failed = true } = {}): RuntimeExited => {
      const { runtimeId } = instance.agent ?? {};
      if (runtimeId === undefined) throw new Error('no agent is running');
      fleet.removeAgent();
      return { type: 'runtimeExited', runtimeId, kind, failed, message: 'It ended.' };
    },
    /** Starts the agent where the instance is placed. */
    startAgent: (generation: number): string => {
      const { hostId } = fleet.placement() ?? {};
      if (hostId === undefined) throw new Error('the instance is placed nowhere');
      const running = fleet.agentOn(hostId);
      if (running?.generation === generation) return running.runtimeId;
      started += 1;
      const runtimeId = `runtime-${started}`;
      fleet.start(hostId, { runtimeId, generation, alive: true, restart: neverRestart });
      return runtimeId;
    },
  };
  return instance;
}

type Find = (instanceId: string) => FakeInstance;

async function begin(activity: Activity, instance: FakeInstance): Promise<FakeInstance> {
  instance.calls.push(activity);
  await instance.before[activity]?.(instance.count(activity));
  return instance;
}

/** The activities of the task queue of a host, over such instances. */
export function createFakeHostActivities(find: Find, hostId: string): HostActivities {
  return {
    provision: async ({ instanceId, resumeGeneration }) => {
      const { rows, definition } = find(instanceId);
      const row = rows.read();
      const { startAgent, fleet } = await begin('provision', find(instanceId));
      if (fleet.placement()?.hostId !== hostId) return { outcome: 'misplaced' };
      if (!row) return { outcome: 'gone' };
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!definition) return { outcome: 'agentMissing', row, message: 'The agent is not published yet.' };
      const { retired, restart } = definition;
      if (retired && row.generation !== resumeGeneration) throw blame('agent_retired', 'The agent was retired.', true);
      return { outcome: 'provisioned', row, runtimeId: startAgent(row.generation), restart };
    },
    cleanUp: async ({ instanceId }) => {
      const { fleet } = await begin('cleanUp', find(instanceId));
      fleet.empty(hostId);
    },
  };
}

/** The activities of the task queue that all workers share. */
export function createFakeActivities(find: Find): Omit<InstanceActivities, keyof HostActivities> {
  return {
    place: async ({ instanceId, leavingHostId }) => {
      const instance = find(instanceId);
      const { rows, fleet, definition, replaces } = instance;
      const row = rows.read();
      await instance.before.place?.((instance.placings += 1));
      if (!row) return { outcome: 'gone' };
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!definition) return { outcome: 'agentMissing', row, message: 'The agent is not published yet.' };
      const result = fleet.place(replaces, leavingHostId);
      return result.outcome === 'noHost' ? { ...result, row, message: 'All hosts are full.' } : result;
    },
    locate: async ({ instanceId, leavingHostId }) => find(instanceId).fleet.locate(leavingHostId),
    readRow: async ({ instanceId }) => {
      const instance = find(instanceId);
      instance.reads += 1;
      return instance.rows.readState() ?? null;
    },
    recordStatus: async (input) => (await begin('recordStatus', find(input.instanceId))).rows.recordStatus(input),
    recordFinalStatus: async ({ instanceId }) =>
      (await begin('recordFinalStatus', find(instanceId))).rows.recordFinalStatus(),
  };
}

/** What the provisioning activity throws when the instance is to blame. */
export function blame(type: ProvisioningFailureCode, message: string, nonRetryable = false): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable });
}

/** Slow provisioning, which ends when it is told to. @throws CancelledFailure when it is cancelled before */
export async function workUntilCancelled({ orUntil }: { orUntil?: Promise<void> } = {}): Promise<void> {
  let finished = false;
  void orUntil?.then(() => (finished = true));
  while (!finished) {
    heartbeat();
    await Context.current().sleep('50 milliseconds');
  }
}

/** Gives no sign of life, as an activity of a worker that was killed; ends with the worker of the test. */
export async function hang(): Promise<void> {
  await Context.current().cancelled;
}
