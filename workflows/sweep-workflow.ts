import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { SweepActivities, SweepResult } from './activities.ts';

const { sweep } = proxyActivities<SweepActivities>({
  summary: 'Compare rows, workflows and runtimes',
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 3 },
});

/** One round of the sweeper, started by a schedule. It signals each workflow whose row or runtime has drifted, which then repairs it. */
export async function sweepWorkflow(): Promise<SweepResult> {
  const result = await sweep();
  const lines = Object.entries(result).map(([drift, count]) => `- ${drift}: ${count}`);
  setCurrentDetails(lines.join('\n'));
  return result;
}
