import { log, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { hostTaskQueue } from '../contracts/names.ts';
import type { HostSweepActivities, HostSweepResult, SweepActivities, SweepResult } from './activities.ts';

const { sweep } = proxyActivities<SweepActivities>({
  summary: 'Compare rows, workflows and placements',
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 3 },
});

/** One round of the sweeper, started by a schedule. It signals each workflow whose row or runtime has drifted, which then repairs it. */
export async function sweepWorkflow(): Promise<SweepResult> {
  const result = await sweep();
  const { hostIds = [], ...drifts } = result;
  const rounds = await Promise.all(hostIds.map(sweepHost));
  const counts = [drifts, ...rounds.flatMap((round) => round ?? [])].flatMap((each) => Object.entries(each));
  const sums = new Map<string, number>();
  for (const [drift, count] of counts) sums.set(drift, (sums.get(drift) ?? 0) + count);
  setCurrentDetails([...sums].map(([drift, count]) => `- ${drift}: ${count}`).join('\n'));
  return result;
}

/** @returns undefined when the host could not be swept, which the next round tries again */
async function sweepHost(hostId: string): Promise<HostSweepResult | undefined> {
  const activities = proxyActivities<HostSweepActivities>({
    summary: 'Compare what the host keeps with what is placed on it',
    taskQueue: hostTaskQueue(workflowInfo().taskQueue, hostId),
    // The worker of the host may have stopped meanwhile.
    scheduleToStartTimeout: '20 seconds',
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: '30 seconds',
    retry: { maximumAttempts: 2 },
  });
  try {
    return await activities.sweepHost();
  } catch (error) {
    log.warn('a host cannot be swept; what it keeps for nobody stays for now', { hostId, error });
    return undefined;
  }
}
