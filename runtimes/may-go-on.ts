import type { EffectContext, ProvisionRequest } from './runtime.ts';

/** Whether an agent that runs for that generation may go on as it is. */
export async function mayGoOn(
  { generation }: { generation: number },
  request: Pick<ProvisionRequest, 'generation'>,
  { isRestored }: Pick<EffectContext, 'isRestored'>,
): Promise<boolean> {
  if (generation <= request.generation) return generation === request.generation;
  // A request that is out of date must not undo what came after it.
  return (await isRestored?.(generation)) !== true;
}
