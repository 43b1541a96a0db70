import { once } from 'node:events';
import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';

export interface SweepScheduleOptions {
  logger: Logger;
  onFatal: (error: FatalError) => void;
  client: Client;
  taskQueue: string;
  intervalSeconds: number;
}

/** Creates or updates the schedule of the sweeper, which Temporal keeps whichever worker runs. */
export function startSweepSchedule({ logger, onFatal, ...schedule }: SweepScheduleOptions): Supervised {
  const run = async ({ signal, ready }: Session): Promise<void> => {
    await ensureSchedule(schedule);
    ready();
    if (!signal.aborted) await once(signal, 'abort');
  };
  return supervise({ name: 'sweeper', logger, run, onFatal });
}

/** Each task queue has one schedule. */
async function ensureSchedule({
  client,
  taskQueue,
  intervalSeconds,
}: Omit<SweepScheduleOptions, 'logger' | 'onFatal'>): Promise<void> {
  const scheduleId = `sweeper/${taskQueue}`;
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
    await client.schedule.create({ scheduleId, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...options, state }));
  }
}
