import type { Exit } from './launcher/start-launcher.ts';

/** An unknown exit code counts as failed. */
export function hasFailed(exit?: Exit): boolean {
  return exit?.code !== 0;
}

/** A sentence that says how an agent ended. Only the worker whose launcher started the agent knows the exit code. */
export function describeExit(exit?: Exit): string {
  if (exit === undefined) {
    const why = 'because another worker started it, or the launcher of this one ended before it';
    return `The agent ended; its exit code is not known, ${why}.`;
  }
  return exit.signal === null
    ? `The agent ended with exit code ${exit.code}.`
    : `The agent was ended by the signal ${exit.signal}.`;
}
