import type { Change } from '../replay/changed-workflows.ts';

/** Workflow code that cannot replay the history of any instance that was placed. */
export const breakingChange: Change = {
  file: 'step-activities.ts',
  from: "rowActivities('Find the host').place",
  to: "rowActivities('Find the host').runAgent",
};
