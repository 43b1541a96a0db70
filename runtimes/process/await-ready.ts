import { setTimeout } from 'node:timers/promises';
import type { ProcessSpec } from './spec.ts';
import { AgentNotReady } from '../runtime.ts';
import { describeExit } from './exit.ts';
import type { InstanceFolder } from './instance-folder.ts';
import type { Launched } from './launcher/start-launcher.ts';
import { leaseLapsed } from './lease-lapsed.ts';
import { isAlive } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { waitUntil } from './wait-until.ts';

/** The exit code of an agent that has ended comes within milliseconds. */
const exitMs = 2_000;

interface ReadyOptions {
  folder: InstanceFolder;
  runtimeId: string;
  spec: ProcessSpec;
  identity: ProcessIdentity;
  /** Present when this worker started the agent. */
  launched: Launched | undefined;
  signal: AbortSignal;
}

/**
 * Resolves once the agent is ready.
 * @throws AgentNotReady; RuntimeUnavailable when the fence has ended the agent; the reason of the signal when aborted
 */
export async function awaitReady({ folder, runtimeId, spec, identity, launched, signal }: ReadyOptions): Promise<void> {
  const ended = (): boolean => launched?.exit !== undefined || !isAlive(identity);
  // An agent that is ready as soon as it has started was ready, also where it ended at once. Its end is reported like any other.
  if (spec.ready === 'started') return;
  const deadlineMs = performance.now() + spec.ready_timeout_seconds * 1000;
  if (!(await waitUntil(() => ended() || folder.isReady(), { deadlineMs, signal }))) {
    const sentence = `The agent did not create the file $INSTANCE_READY_FILE within ${spec.ready_timeout_seconds} s.`;
    throw new AgentNotReady(`${sentence} ${await folder.lastOutput()}`);
  }
  if (!ended()) return;
  if ((await folder.readFenced()) === runtimeId) throw leaseLapsed();
  const exit = await Promise.race([launched?.ended, setTimeout(exitMs, undefined, { ref: false })]);
  const sentence = describeExit(exit).replace(/\.$/, ', before it was ready.');
  throw new AgentNotReady(`${sentence} ${await folder.lastOutput()}`);
}
