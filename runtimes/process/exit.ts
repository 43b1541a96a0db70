import type { ChildProcess } from 'node:child_process';

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** What is not known counts as failed. */
export function hasFailed(child?: ChildProcess): boolean {
  return child?.exitCode !== 0;
}

/** A sentence on how an agent ended; only the process that started it can know its exit code. */
export function describeExit(child?: ChildProcess): string {
  if (child === undefined) return 'The agent ended; its exit code is not known, as an earlier worker had started it.';
  return child.signalCode === null
    ? `The agent ended with exit code ${child.exitCode}.`
    : `The agent was ended by the signal ${child.signalCode}.`;
}
