import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  isGrpcServiceError,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
} from '@temporalio/client';
import type { Logger } from 'pino';
import type { BuildOfDeployment } from '../../contracts/names.ts';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { temporalLimits } from './time-limits.ts';

export interface SweepScheduleOptions {
  logger: Logger;
  onFatal: (error: FatalError) => void;
  client: Client;
  taskQueue: string;
  intervalSeconds: number;
  /** Undefined: the worker is unversioned. */
  build: BuildOfDeployment | undefined;
}

/**
 * Creates or updates the schedule of the sweeper, which Temporal keeps whichever worker runs. Of several builds, only the current one
 * updates it: when it starts, and when it finds that another build did. The note of the schedule names the build that updated it.
 */
export function startSweepSchedule({ logger, onFatal, build, ...schedule }: SweepScheduleOptions): Supervised {
  const run = async ({ signal, ready }: Session): Promise<void> => {
    const note = build && `of the build ${build.buildId}`;
    const isInCharge = async (): Promise<boolean> => build === undefined || isCurrent(schedule.client, build);
    await ensureSchedule({ ...schedule, note, mayUpdate: await isInCharge() });
    ready();
    if (build === undefined) {
      if (!signal.aborted) await once(signal, 'abort');
      return;
    }
    while (!signal.aborted) {
      await delay(temporalLimits.currentBuildCheckIntervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || !(await isInCharge()) || (await readNote(schedule)) === note) continue;
      await ensureSchedule({ ...schedule, note, mayUpdate: true });
    }
  };
  return supervise({ name: 'sweeper', logger, run, onFatal });
}

type ScheduleOptions = Pick<SweepScheduleOptions, 'client' | 'taskQueue' | 'intervalSeconds'>;

/** Each task queue has one schedule. */
async function ensureSchedule({
  client,
  taskQueue,
  intervalSeconds,
  note,
  mayUpdate,
}: ScheduleOptions & { note: string | undefined; mayUpdate: boolean }): Promise<void> {
  const scheduleId = scheduleIdOf(taskQueue);
  const noted = note === undefined ? {} : { note };
  const options = {
    spec: { intervals: [{ every: intervalSeconds * 1000 }] },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'sweepWorkflow',
      workflowId: scheduleId,
      taskQueue,
      args: [],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' as const },
  };
  try {
    await client.schedule.create({ scheduleId, ...options, state: noted });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    if (!mayUpdate) return;
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...options, state: { ...state, ...noted } }));
  }
}

/** @returns undefined for a schedule without a note, and where there is none any more */
async function readNote({ client, taskQueue }: ScheduleOptions): Promise<string | undefined> {
  try {
    const { state } = await client.schedule.getHandle(scheduleIdOf(taskQueue)).describe();
    return state.note;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

function scheduleIdOf(taskQueue: string): string {
  return `sweeper/${taskQueue}`;
}

async function isCurrent(
  { options: { namespace }, workflowService }: Client,
  build: BuildOfDeployment,
): Promise<boolean> {
  const { deploymentName, buildId } = build;
  try {
    const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({ namespace, deploymentName });
    return workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId === buildId;
  } catch (error) {
    // Temporal knows a deployment from the first poll of one of its workers on.
    if (isGrpcServiceError(error) && error.code === grpcCodes.notFound) return false;
    throw error;
  }
}
