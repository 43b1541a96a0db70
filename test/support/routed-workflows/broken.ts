import { condition, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

export { gateWorkflow } from '../../../workflows/gate/gate-workflow.ts';

const { nothing } = proxyActivities<{ nothing: () => Promise<void> }>({ startToCloseTimeout: '1 minute' });

/** It begins with a step that the others do not take, so that it cannot replay their histories. */
export async function instanceWorkflow(): Promise<void> {
  let wanted = 0;
  setHandler(defineSignal('step'), () => {
    wanted += 1;
  });
  await nothing();
  for (;;) {
    await condition(() => wanted > 0);
    wanted -= 1;
    await sleep(1);
  }
}
