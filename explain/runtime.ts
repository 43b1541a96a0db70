import { pino } from 'pino';
import type { Variables } from '../runtimes/kind.ts';
import { openRuntimes } from '../runtimes/registry.ts';
import type { RuntimeDescription } from '../runtimes/runtime.ts';
import { errorMessage } from '../supervision/errors.ts';
import type { Knowledge } from './findings.ts';
import type { TimelineEntry } from './timeline.ts';

export interface RuntimeSettings {
  /** The variables of the environment that the kinds of runtimes read. */
  variables: Variables;
  /** The namespace and the task queue, as agents_worker has them: a Docker engine is a host of each system that uses it. */
  scope: string;
}

export interface LocalRuntimes {
  /** The hosts that the caller's settings name: the folder, the Docker engine and the namespace of a cluster. */
  hostIds: string[];
  description: Knowledge<RuntimeDescription | undefined>;
}

/** Asks the runtimes of every kind about an instance. At most one knows anything. Missing when none does and one could not be asked. */
export async function readRuntimes({ variables, scope }: RuntimeSettings, instanceId: string): Promise<LocalRuntimes> {
  const logger = pino({ level: 'silent' });
  const runtimes = Object.values(await openRuntimes(variables, { scope, logger, hostEnvironment: {}, readOnly: true }));
  const [identities, results] = await Promise.all([
    Promise.allSettled(runtimes.map((runtime) => runtime.identify())),
    Promise.allSettled(runtimes.map((runtime) => runtime.describe(instanceId))),
  ]);
  await Promise.allSettled(runtimes.map((runtime) => runtime.close()));
  const hostIds = identities.flatMap((identity) =>
    identity.status === 'fulfilled' && identity.value !== undefined ? [identity.value] : [],
  );
  return { hostIds, description: descriptionIn(results) };
}

function descriptionIn(
  results: PromiseSettledResult<RuntimeDescription | undefined>[],
): Knowledge<RuntimeDescription | undefined> {
  const found = results.find((result) => result.status === 'fulfilled' && result.value !== undefined);
  if (found?.status === 'fulfilled') return { value: found.value };
  const failed = results.find((result) => result.status === 'rejected');
  return failed ? { missing: errorMessage(failed.reason) } : { value: undefined };
}

export function runtimeTimeline({
  phase,
  where,
  status,
  runtimeId,
  generation,
  since,
  output,
}: RuntimeDescription): TimelineEntry[] {
  const text = [
    `agent ${phase}`,
    ...(where === undefined ? [] : [where]),
    ...(generation === undefined ? [] : [`generation ${generation}`]),
    ...(runtimeId === undefined ? [] : [`runtime ${runtimeId}`]),
  ].join(', ');
  const said = status === undefined ? text : `${text}: ${status}`;
  const bad = phase === 'ended' || phase === 'unknown';
  return [
    { time: since ?? output?.at, source: 'runtime', text: said, bad },
    ...(output ? [{ time: output.at, source: 'runtime' as const, text: `last output:\n${output.text}` }] : []),
  ];
}
