import { condition, defineSignal, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';

export const goSignal = defineSignal('go');

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '10 seconds' });
const { nothingLocal } = proxyLocalActivities<{ nothingLocal(): Promise<void> }>({ startToCloseTimeout: '10 seconds' });

/** What any lifecycle costs on this server: a signal, an activity, a local activity, and nothing in them. */
export async function floorWorkflow(): Promise<void> {
  let gone = false;
  setHandler(goSignal, () => {
    gone = true;
  });
  await condition(() => gone);
  await nothing();
  await nothingLocal();
}
