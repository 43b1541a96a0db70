import type { WorkflowHandle } from '@temporalio/client';
import type { Stage } from '../stage.ts';
import type { Cell } from '../visits.ts';

/** One path through the life of an instance, played on the real stack. */
export interface Scenario {
  /** What its history must show; it is played again until it does, since some of it is a matter of milliseconds. */
  shows?: readonly Cell[];
  /** @returns the id of the instance, or the workflow, whose latest run is to be recorded */
  play(stage: Stage): Promise<string | WorkflowHandle>;
}

/** By the name of the file that the history goes to. */
export type Scenarios = Readonly<Record<string, Scenario>>;
