import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { SweepActivities, SweepResult } from './activities.ts';

const { sweep } = proxyActivities<SweepActivities>({
  summary: 'Compare rows, workflows and runtimes',
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { maximumAttempts: 3 },
});

/** One round of the sweeper, started by a schedule: what has drifted apart is told to the workflow that mends it. */
export async function sweepWorkflow(): Promise<SweepResult> {
  const result = await sweep();
  const mended = Object.entries(result).map(([what, count]) => `- ${what}: ${count}`);
  setCurrentDetails(mended.join('\n'));
  return result;
}
