import { randomUUID } from 'node:crypto';
import { Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceStatus, ProvisioningFailureCode } from '../../contracts/names.ts';
import type { InstanceActivities } from '../../workflows/activities.ts';
import type { RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { neverRestart } from './instance-events.ts';
import { createRowModel } from './row-model.ts';

/** Those that change the world, and that trouble can befall. */
type Activity = Exclude<keyof InstanceActivities, 'readRow'>;

export type FakeInstance = ReturnType<typeof createFakeInstance>;

/** One instance in memory: its row, its agent, and what its activities do before they do what they should. */
export function createFakeInstance() {
  const id = randomUUID();
  const rows = createRowModel();
  let started = 0;
  const instance = {
    id,
    rows,
    /** Attempts of activities that do something, oldest first. */
    calls: [] as Activity[],
    /** How often the row was read, which changes nothing. */
    reads: 0,
    agent: undefined as { runtimeId: string; generation: number } | undefined,
    /** What is published of its agent; undefined before its publication. */
    definition: { retired: false, restart: neverRestart } as { retired: boolean; restart: RestartPolicy } | undefined,
    /** Trouble: runs first in every attempt, counted from 1 for each activity. What it throws fails the attempt. */
    before: {} as Partial<Record<Activity, (attempt: number) => Promise<void> | void>>,
    count: (activity: Activity): number => instance.calls.filter((call) => call === activity).length,
    /** Every status that the row was said to have, oldest first. */
    statuses: (): InstanceStatus[] => {
      const all = rows.log.filter(({ type }) => type === 'instance.updated').map(({ row }) => row.status);
      return all.filter((status, index) => status !== all[index - 1]);
    },
    /** The agent ends without having been asked to. @returns what the runtime reports */
    endAgent: (kind: RuntimeExited['kind'], { failed = true } = {}): RuntimeExited => {
      if (!instance.agent) throw new Error('no agent is running');
      const { runtimeId } = instance.agent;
      instance.agent = undefined;
      return { type: 'runtimeExited', runtimeId, kind, failed, message: 'It ended.' };
    },
    startAgent: (generation: number): string => {
      if (instance.agent?.generation !== generation) {
        started += 1;
        instance.agent = { runtimeId: `runtime-${started}`, generation };
      }
      return instance.agent.runtimeId;
    },
  };
  return instance;
}

/** Activities over such instances. */
export function createFakeActivities(find: (instanceId: string) => FakeInstance): InstanceActivities {
  const begin = async (activity: Activity, instanceId: string): Promise<FakeInstance> => {
    const instance = find(instanceId);
    instance.calls.push(activity);
    await instance.before[activity]?.(instance.count(activity));
    return instance;
  };
  return {
    provision: async ({ instanceId, resumeGeneration }) => {
      const { rows, definition } = find(instanceId);
      const row = rows.read();
      const { startAgent } = await begin('provision', instanceId);
      if (!row) return { outcome: 'gone' };
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!definition) return { outcome: 'agentMissing', row, message: 'The agent is not published yet.' };
      const { retired, restart } = definition;
      if (retired && row.generation !== resumeGeneration) throw blame('agent_retired', 'The agent was retired.', true);
      return { outcome: 'provisioned', row, runtimeId: startAgent(row.generation), restart };
    },
    cleanUp: async ({ instanceId }) => {
      const instance = await begin('cleanUp', instanceId);
      instance.agent = undefined;
    },
    readRow: async ({ instanceId }) => {
      const instance = find(instanceId);
      instance.reads += 1;
      return instance.rows.readState() ?? null;
    },
    recordStatus: async (input) => (await begin('recordStatus', input.instanceId)).rows.recordStatus(input),
    recordFinalStatus: async ({ instanceId }) =>
      (await begin('recordFinalStatus', instanceId)).rows.recordFinalStatus(),
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
