import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { InstanceStatus, ProvisioningFailureCode } from '../../contracts/names.ts';
import type { HostSteps, RowSteps } from '../../activities/steps.ts';
import type { RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { neverRestart } from './instance-events.ts';
import { createFleet } from './instance-fleet.ts';
import { createRowModel } from './row-model.ts';

/** Those that change the world, and that trouble can befall. */
type Activity = 'provision' | 'cleanUp' | 'recordStatus' | 'recordFinalStatus';

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
    before: {} as Partial<Record<Activity | 'place', (attempt: number, signal: AbortSignal) => Promise<void> | void>>,
    /** How many workers were killed in the middle of an activity of the instance. */
    killed: 0,
    /** Kills the worker of the activity in which it is called. */
    killWorker: async (): Promise<void> => {
      instance.killed += 1;
      await new Promise<never>(() => undefined);
    },
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

/** @param signal aborted when a step on a host is to end */
async function begin(activity: Activity, instance: FakeInstance, signal?: AbortSignal): Promise<FakeInstance> {
  instance.calls.push(activity);
  await instance.before[activity]?.(instance.count(activity), signal ?? Context.current().cancellationSignal);
  return instance;
}

/** The steps on a host, over such instances. */
export function createFakeHostSteps(find: Find, hostId: string): HostSteps {
  return {
    provision: async ({ instanceId, resumeGeneration }, { signal }) => {
      const { rows, definition } = find(instanceId);
      const row = rows.read();
      const { startAgent, fleet } = await begin('provision', find(instanceId), signal);
      if (fleet.placement()?.hostId !== hostId) return { outcome: 'misplaced' };
      if (!row) return { outcome: 'gone' };
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!definition) return { outcome: 'agentMissing', row, message: 'The agent is not published yet.' };
      const { retired, restart } = definition;
      if (retired && row.generation !== resumeGeneration) throw blame('agent_retired', 'The agent was retired.', true);
      return { outcome: 'provisioned', row, runtimeId: startAgent(row.generation), where: 'process 1', restart };
    },
    cleanUp: async ({ instanceId }, { signal }) => {
      const { fleet } = await begin('cleanUp', find(instanceId), signal);
      fleet.empty(hostId);
    },
  };
}

/** The steps that read and write rows, over such instances. */
export function createFakeRowSteps(find: Find): RowSteps {
  return {
    place: async ({ instanceId, leavingHostId }) => {
      const instance = find(instanceId);
      const { rows, fleet, definition, replaces } = instance;
      const row = rows.read();
      await instance.before.place?.((instance.placings += 1), Context.current().cancellationSignal);
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

/** Slow work, which ends when it is told to. @throws the reason of the signal when it is aborted before */
export async function workUntilCancelled(
  signal: AbortSignal,
  { orUntil }: { orUntil?: Promise<void> } = {},
): Promise<void> {
  let finished = false;
  void orUntil?.then(() => (finished = true));
  while (!finished) await delay(50, undefined, { signal }).catch(() => signal.throwIfAborted());
}
