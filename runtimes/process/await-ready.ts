import type { ChildProcess } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import type { ProcessSpec } from './spec.ts';
import { AgentNotReady } from '../runtime.ts';
import { describeExit, hasEnded } from './exit.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { leaseLapsed } from './lease-lapsed.ts';
import { isAlive } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { waitUntil } from './wait-until.ts';

interface ReadyOptions {
  folder: InstanceFolder;
  runtimeId: string;
  spec: ProcessSpec;
  identity: ProcessIdentity;
  child: ChildProcess | undefined;
  signal: AbortSignal;
}

/**
 * Resolves once the agent is ready.
 * @throws AgentNotReady; RuntimeUnavailable when the fence has ended the agent; the reason of the signal when aborted
 */
export async function awaitReady({ folder, runtimeId, spec, identity, child, signal }: ReadyOptions): Promise<void> {
  const ended = (): boolean => (child === undefined ? !isAlive(identity) : hasEnded(child));
  if (spec.ready === 'file') {
    const deadlineMs = performance.now() + spec.ready_timeout_seconds * 1000;
    if (!(await waitUntil(() => ended() || folder.isReady(), { deadlineMs, signal }))) {
      const sentence = `The agent did not create the file $INSTANCE_READY_FILE within ${spec.ready_timeout_seconds} s.`;
      throw new AgentNotReady(`${sentence} ${await folder.lastOutput()}`);
    }
  } else {
    // An agent that ended at once is noticed after one turn of the event loop.
    await setImmediate();
  }
  if (!ended()) return;
  if ((await folder.readFenced()) === runtimeId) throw leaseLapsed();
  const sentence = describeExit(child).replace(/\.$/, ', before it was ready.');
  throw new AgentNotReady(`${sentence} ${await folder.lastOutput()}`);
}
