import { fileURLToPath } from 'node:url';
import { Worker, type InjectedSinks } from '@temporalio/worker';
import type { WorkflowBundle } from '../../workers/workflow-bundle.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import { transitions, type Condition, type KnownDesiredState } from '../../workflows/transitions.ts';
import { bundleChangedWorkflows } from './changed-workflows.ts';
import type { RecordedHistory } from './histories.ts';
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

/** Replays a history and collects its visits. @throws when it does not replay */
export async function visitsOf(workflowBundle: WorkflowBundle, { name, history }: RecordedHistory): Promise<Visits> {
  const visited: Visits = { cells: new Set(), events: new Set() };
  const sinks: InjectedSinks<VisitSinks> = {
    visits: {
      decided: { callDuringReplay: true, fn: (_, cell) => void visited.cells.add(cell as Cell) },
      evolved: { callDuringReplay: true, fn: (_, type) => void visited.events.add(type as InstanceEvent['type']) },
    },
  };
  await Worker.runReplayHistory({ workflowBundle, sinks }, history, name);
  return visited;
}
