import { pino } from 'pino';
import type { Variables } from '../runtimes/kind.ts';
import { openRuntimes } from '../runtimes/registry.ts';
import type { RuntimeDescription } from '../runtimes/runtime.ts';
import type { TimelineEntry } from './timeline.ts';

/**
 * Asks the runtimes of every kind about an instance. At most one knows anything; undefined when none does.
 *
 * @throws Error when none knows anything and one could not be asked
 */
export async function readRuntime(variables: Variables, instanceId: string): Promise<RuntimeDescription | undefined> {
  const logger = pino({ level: 'silent' });
  const options = { scope: '', logger, hostEnvironment: {}, readOnly: true };
  const runtimes = Object.values(await openRuntimes(variables, options));
  const results = await Promise.allSettled(runtimes.map((runtime) => runtime.describe(instanceId)));
  await Promise.allSettled(runtimes.map((runtime) => runtime.close()));
  const found = results.find((result) => result.status === 'fulfilled' && result.value !== undefined);
  if (found?.status === 'fulfilled') return found.value;
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return undefined;
}

export function runtimeTimeline({
  phase,
  runtimeId,
  generation,
  pid,
  since,
  output,
}: RuntimeDescription): TimelineEntry[] {
  const text = [
    `agent ${phase}`,
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(generation === undefined ? [] : [`generation ${generation}`]),
    ...(runtimeId === undefined ? [] : [`runtime ${runtimeId}`]),
  ].join(', ');
  const bad = phase === 'ended' || phase === 'unknown';
  return [
    { time: since ?? output?.at, source: 'runtime', text, bad },
    ...(output ? [{ time: output.at, source: 'runtime' as const, text: `last output:\n${output.text}` }] : []),
  ];
}
