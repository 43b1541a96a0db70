import { access } from 'node:fs/promises';
import { pino } from 'pino';
import type { EngineAddress } from '../runtimes/docker/connection.ts';
import { createDockerRuntime } from '../runtimes/docker/docker-runtime.ts';
import { createProcessRuntime } from '../runtimes/process/process-runtime.ts';
import type { Runtime, RuntimeDescription } from '../runtimes/runtime.ts';
import type { TimelineEntry } from './timeline.ts';

export interface RuntimePlaces {
  /** Of the process runtime; belongs to the host of agents_worker. */
  directory: string;
  docker: EngineAddress | undefined;
}

const logger = pino({ level: 'silent' });

/**
 * What the runtimes keep of an instance: at most one has something. Undefined when none has.
 *
 * @throws Error when none has anything and one could not be looked at
 */
export async function readRuntime(
  { directory, docker }: RuntimePlaces,
  instanceId: string,
): Promise<RuntimeDescription | undefined> {
  const looks = [
    access(directory).then(
      () => describeWith(createProcessRuntime({ directory, logger }), instanceId),
      (cause: unknown) => Promise.reject(new Error(notHere(directory), { cause })),
    ),
    ...(docker ? [describeWith(createDockerRuntime({ ...docker, scope: '', logger }), instanceId)] : []),
  ];
  const results = await Promise.allSettled(looks);
  const found = results.find((result) => result.status === 'fulfilled' && result.value !== undefined);
  if (found?.status === 'fulfilled') return found.value;
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return undefined;
}

function notHere(directory: string): string {
  return `The folder ${directory} is not here: run this on the host of agents_worker, with its RUNTIME_DIRECTORY.`;
}

async function describeWith(
  runtime: Pick<Runtime, 'describe' | 'close'>,
  instanceId: string,
): Promise<RuntimeDescription | undefined> {
  try {
    return await runtime.describe(instanceId);
  } finally {
    await runtime.close();
  }
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
