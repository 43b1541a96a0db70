import { fileURLToPath } from 'node:url';
import { Worker, type InjectedSinks } from '@temporalio/worker';
import type { WorkflowBundle } from '../../workers/workflow-bundle.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import { transitions, type Condition, type KnownDesiredState } from '../../workflows/transitions.ts';
import { bundleChangedWorkflows } from './changed-workflows.ts';
import { removeReplayHooks } from '../support/replay-hooks.ts';
import type { RecordedHistory } from './histories.ts';
import { unheardDecisions } from '../../replay/decision-sinks.ts';
import type { DecisionSinks } from '../../workflows/decision-sink.ts';
import type { VisitSinks } from './observed.ts';

export type Cell = `${Condition} × ${KnownDesiredState}`;

/** The cells that `decide` looked up, and the types of events that `evolve` was given, while a history was replayed. */
export interface Visits {
  cells: Set<Cell>;
  events: Set<InstanceEvent['type']>;
}

export const allCells = Object.entries(transitions).flatMap(([condition, steps]) =>
  Object.keys(steps).map((desiredState) => `${condition} × ${desiredState}` as Cell),
);

/** The workflow code, changed so that it reports its visits to `visitsOf`. */
export async function bundleObservedWorkflows(): Promise<WorkflowBundle> {
  const observed = `from '${fileURLToPath(new URL('observed.ts', import.meta.url))}'`;
  return bundleChangedWorkflows([
    { file: 'instance-workflow.ts', from: /from '\.\/(decide|evolve)\.ts'/g, to: observed },
  ]);
}

/** Replays histories and collects their visits, by the name of the history. @throws when one does not replay */
export async function visitsOf(
  workflowBundle: WorkflowBundle,
  histories: readonly RecordedHistory[],
): Promise<Map<string, Visits>> {
  const visits = new Map<string, Visits>(histories.map(({ name }) => [name, { cells: new Set(), events: new Set() }]));
  const sinks: InjectedSinks<VisitSinks & DecisionSinks> = {
    ...unheardDecisions,
    visits: {
      decided: {
        callDuringReplay: true,
        fn: ({ workflowId }, cell) => void visits.get(workflowId)?.cells.add(cell as Cell),
      },
      evolved: {
        callDuringReplay: true,
        fn: ({ workflowId }, type) => void visits.get(workflowId)?.events.add(type as InstanceEvent['type']),
      },
    },
  };
  const named = histories.map(({ name, history }) => ({ workflowId: name, history }));
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle, sinks }, named)) {
    if (error) throw new Error(`The history ${workflowId} does not replay.`, { cause: error });
  }
  removeReplayHooks();
  return visits;
}
