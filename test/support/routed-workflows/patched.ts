import { condition, continueAsNew, defineSignal, patched, setHandler, sleep } from '@temporalio/workflow';

export { gateWorkflow } from '../../../workflows/gate/gate-workflow.ts';

/** It replays the histories of the others, and they do not replay its own once it has taken a step. It continues as new when it is told to. */
export async function instanceWorkflow(): Promise<void> {
  let wanted = 0;
  let isRenewed = false;
  setHandler(defineSignal('step'), () => {
    wanted += 1;
  });
  setHandler(defineSignal('renew'), () => {
    isRenewed = true;
  });
  for (;;) {
    await condition(() => wanted > 0 || isRenewed);
    if (isRenewed) await continueAsNew<typeof instanceWorkflow>();
    wanted -= 1;
    if (patched('two-sleeps')) await sleep(2);
    await sleep(1);
  }
}
