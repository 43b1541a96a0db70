import { setTimeout as delay } from 'node:timers/promises';
import type { DockerSpec } from './spec.ts';
import { quoteLastOutput } from '../last-output.ts';
import { AgentNotReady, RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import { describeEnd, type ContainerReading } from './container-reading.ts';
import type { DockerEngine } from './engine.ts';

const pollMs = 100;
/** A container whose command does not exist starts and then ends within milliseconds. */
const settleMs = 100;
/** 126: the command cannot be executed. 127: it does not exist. Shells and the init process agree on both. */
const exitCodesOfBadCommands = new Set([126, 127]);

/**
 * Resolves once the agent is ready.
 * @throws AgentNotReady, SpecRejected; RuntimeUnavailable when the container is removed meanwhile; the reason of the signal
 */
export async function awaitReady({
  engine,
  id,
  spec,
  signal,
}: {
  engine: DockerEngine;
  id: string;
  spec: DockerSpec;
  signal: AbortSignal;
}): Promise<void> {
  const waitMs = spec.ready === 'healthcheck' ? spec.ready_timeout_seconds * 1000 : settleMs;
  const deadline = performance.now() + waitMs;
  for (;;) {
    const reading = await engine.inspect(id, signal);
    if (reading?.phase !== 'running') throw await failedStart(engine, id, reading);
    if (spec.ready === 'healthcheck' && reading.health?.status === 'healthy') return;
    if (performance.now() >= deadline) {
      if (spec.ready === 'started') return;
      const sentence = `The HEALTHCHECK of the image did not succeed within ${spec.ready_timeout_seconds} s.`;
      const checked = reading.health?.lastOutput;
      const check = checked ? ` The check's last output: ${await engine.withoutSecrets(id, checked)}.` : '';
      throw new AgentNotReady(`${sentence}${check} ${quoteLastOutput((await engine.lastOutput(id))?.text)}`);
    }
    await delay(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function failedStart(engine: DockerEngine, id: string, reading: ContainerReading | undefined): Promise<Error> {
  if (!reading) return new RuntimeUnavailable('The container was removed through the engine while it started.');
  const sentence = describeEnd(reading).replace('.', ', before it was ready.');
  const message = `${sentence} ${quoteLastOutput((await engine.lastOutput(id))?.text)}`;
  return exitCodesOfBadCommands.has(reading.exitCode) ? new SpecRejected(message) : new AgentNotReady(message);
}
