import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

export const createdSignal = defineSignal('created');
export const deletedSignal = defineSignal('deleted');

const { provision, cleanUp } = proxyActivities<{ provision(): Promise<void>; cleanUp(): Promise<void> }>({
  startToCloseTimeout: '10 seconds',
});

/** The least that a lifecycle takes on Temporal: a start with a signal, an activity, a further signal, another activity. */
export async function floorWorkflow(): Promise<void> {
  let isCreated = false;
  let isDeleted = false;
  setHandler(createdSignal, () => {
    isCreated = true;
  });
  setHandler(deletedSignal, () => {
    isDeleted = true;
  });
  await condition(() => isCreated);
  await provision();
  await condition(() => isDeleted);
  await cleanUp();
}
