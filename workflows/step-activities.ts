import { ActivityCancellationType, proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import { hostTaskQueue } from '../contracts/names.ts';
import type { HostActivities, InstanceActivities, SharedActivities } from './activities.ts';

const provisionOptions = {
  summary: 'Run the agent',
  // Longer than the longest `ready_timeout_seconds` of a spec, which is one hour.
  startToCloseTimeout: '65 minutes',
  heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds', maximumAttempts: 5 },
} satisfies ActivityOptions;

const cleanUpOptions = {
  summary: 'Stop the agent and remove what was made for it',
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
  scheduleToStartTimeout: '10 minutes',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  // The tries that fail at once fill an hour.
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: 64 },
} satisfies ActivityOptions;

/**
 * The steps on a host, which wait until its worker takes them: no limit ends them because the host is away. A clean-up that nobody takes
 * for a while is given up, so that the workflow reads the placement again.
 */
function activitiesOn(hostId: string): HostActivities {
  const taskQueue = hostTaskQueue(workflowInfo().taskQueue, hostId);
  return {
    provision: proxyActivities<HostActivities>({ ...provisionOptions, taskQueue }).provision,
    cleanUp: proxyActivities<HostActivities>({ ...cleanUpOptions, taskQueue }).cleanUp,
  };
}

const rowOptions = {
  startToCloseTimeout: '20 seconds',
  // Temporal hands steps to a worker that is cut off, too, until its polls end. Each of them waits that long.
  heartbeatTimeout: '5 seconds',
  // A cancelled write must have ended before the next run writes, or it could overwrite a newer status.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
} satisfies ActivityOptions;

const rowActivities = (summary: string) => proxyActivities<SharedActivities>({ ...rowOptions, summary });

/**
 * The activity of each effect. None is a local activity: where a workflow task answers a query while a local activity is under way, the SDK
 * (1.24) tells the workflow of its result one task later than a replay does. If a signal came in between, the two decide differently, and
 * the run stands still.
 */
export const stepActivities: InstanceActivities = {
  place: rowActivities('Find the host').place,
  locate: rowActivities('Read the placement').locate,
  readRow: rowActivities('Read the row').readRow,
  recordStatus: rowActivities('Record the status').recordStatus,
  recordFinalStatus: rowActivities('Record that the instance is gone').recordFinalStatus,
  provision: (input) => activitiesOn(input.effect.hostId).provision(input),
  cleanUp: (input) => activitiesOn(input.effect.hostId).cleanUp(input),
};
