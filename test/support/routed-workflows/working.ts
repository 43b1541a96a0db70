import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

export { gateWorkflow } from '../../../workflows/gate/gate-workflow.ts';

const { work } = proxyActivities<{ work: () => Promise<void> }>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 hour' },
});

/** Its steps are activities, and one that failed is not repeated within the time of a test. */
export async function instanceWorkflow(): Promise<void> {
  let wanted = 0;
  const take = (): void => {
    wanted += 1;
  };
  setHandler(defineSignal('step'), take);
  for (;;) {
    await condition(() => wanted > 0);
    wanted -= 1;
    await work();
  }
}
