import type { EffectContext, ProvisionRequest } from './runtime.ts';

/** Whether an agent that was started for a generation may keep running. */
export async function mayGoOn(
  { generation }: { generation: number },
  request: Pick<ProvisionRequest, 'generation'>,
  { isRestored }: Pick<EffectContext, 'isRestored'>,
): Promise<boolean> {
  if (generation <= request.generation) return generation === request.generation;
  // An outdated request must not undo a later one.
  return (await isRestored?.(generation)) !== true;
}
