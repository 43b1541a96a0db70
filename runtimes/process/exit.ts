import type { ChildProcess } from 'node:child_process';

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** An unknown exit code counts as failed. */
export function hasFailed(child?: ChildProcess): boolean {
  return child?.exitCode !== 0;
}

/** A sentence that says how an agent ended. Only the process that started the agent knows the exit code. */
export function describeExit(child?: ChildProcess): string {
  if (child === undefined) return 'The agent ended; its exit code is not known, because another worker started it.';
  return child.signalCode === null
    ? `The agent ended with exit code ${child.exitCode}.`
    : `The agent was ended by the signal ${child.signalCode}.`;
}
