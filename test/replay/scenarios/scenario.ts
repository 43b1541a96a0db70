import type { WorkflowHandle } from '@temporalio/client';
import type { Stage } from '../stage.ts';
import type { Cell } from '../visits.ts';

/** One path through the life of an instance, played on the real stack. */
export interface Scenario {
  /** The cells that its history must visit. The scenario is played again until it does, because some cells are a matter of milliseconds. */
  shows?: readonly Cell[];
  /** @returns the id of the instance, or the workflow, whose latest run is to be recorded */
  play(stage: Stage): Promise<string | WorkflowHandle>;
}

/** Scenarios by the name of the file of their history. */
export type Scenarios = Readonly<Record<string, Scenario>>;
