import type { RuntimeDescription } from '../runtimes/runtime.ts';

const phases: Readonly<Record<RuntimeDescription['phase'], string>> = {
  starting: 'is starting',
  running: 'is running',
  stopping: 'is stopping',
  ended: 'has ended',
  unknown: 'is in an unknown state',
};

/** E.g. `is starting as pod instance-… of the namespace agents on no node yet (Unschedulable: …)`. */
export function agentInWords({ phase, where, status }: RuntimeDescription): string {
  const place = where === undefined ? '' : ` as ${where}`;
  return `${phases[phase]}${place}${status === undefined ? '' : ` (${status})`}`;
}

/** A sentence with the command that shows more of an agent; '' when there is none. */
export function closerLook(agent: RuntimeDescription | undefined): string {
  return agent?.inspect === undefined ? '' : ` To see more: ${agent.inspect}`;
}
