import { condition, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

export { gateWorkflow } from '../../../workflows/gate/gate-workflow.ts';

const { nothing } = proxyActivities<{ nothing: () => Promise<void> }>({ startToCloseTimeout: '1 minute' });

/** It takes the second step of a run in another way than the others, so that it cannot replay the runs that took it with them. */
export async function instanceWorkflow(): Promise<void> {
  let wanted = 0;
  setHandler(defineSignal('step'), () => {
    wanted += 1;
  });
  for (let step = 1; ; step += 1) {
    await condition(() => wanted > 0);
    wanted -= 1;
    await (step === 2 ? nothing() : sleep(1));
  }
}
