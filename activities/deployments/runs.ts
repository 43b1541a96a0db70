import { instanceWorkflowId } from '../../contracts/names.ts';
import type { OpenRun } from './dependencies.ts';

/** So that the inputs, the answers and the repetitions of gates stay small. */
export const mostRunsOfGate = 200;

const prefix = instanceWorkflowId('');

/** @returns undefined for the run of another kind of workflow */
export function instanceIdOf({ workflowId }: { workflowId: string }): string | undefined {
  return workflowId.startsWith(prefix) ? workflowId.slice(prefix.length) : undefined;
}

export async function collectRuns(runs: AsyncIterable<OpenRun>): Promise<OpenRun[]> {
  const collected: OpenRun[] = [];
  for await (const run of runs) collected.push(run);
  return collected;
}

/** The messages of runs as findings about instances. */
export function findingsOf(messages: Iterable<readonly [workflowId: string, message: string]>) {
  return [...messages].flatMap(([workflowId, message]) => {
    const instanceId = instanceIdOf({ workflowId });
    return instanceId === undefined ? [] : [{ instanceId, message }];
  });
}

/** The first of them in words, and how many more there are. */
export function listFirst(messages: readonly (readonly [name: string, message: string])[], most = 3): string {
  const listed = messages.slice(0, most).map(([name, message]) => `${name}: ${shortened(message)}`);
  const more = messages.length - listed.length;
  return [...listed, ...(more > 0 ? [`And ${more} more.`] : [])].join(' ');
}

/** Temporal's SDK says what differs in the middle of a failure that it prints as a whole. */
function shortened(message: string): string {
  const [, difference = message] = /message: "((?:[^"\\]|\\.)+)"/.exec(message) ?? [];
  const text = difference.replaceAll(/\s+/g, ' ').trim();
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** The number of a gate among those of its deployment. The reverse gate counts as that of step 0. */
export function batchOf(step: number, begin: number): number {
  return step * 1_000 + begin / mostRunsOfGate + 1;
}
