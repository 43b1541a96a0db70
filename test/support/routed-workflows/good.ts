import { condition, defineSignal, setHandler, sleep } from '@temporalio/workflow';

export { gateWorkflow } from '../../../workflows/gate/gate-workflow.ts';

/** A workflow that takes a step for each signal. The other builds of it are in the files beside this one. */
export async function instanceWorkflow(): Promise<void> {
  let wanted = 0;
  setHandler(defineSignal('step'), () => {
    wanted += 1;
  });
  for (;;) {
    await condition(() => wanted > 0);
    wanted -= 1;
    await sleep(1);
  }
}
