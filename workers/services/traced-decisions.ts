import type { InjectedSinks } from '@temporalio/worker';
import { recordSpan } from '../../tracing/trace.ts';
import type { DecisionSinks } from '../../workflows/decision-sink.ts';

/** Records each step that a workflow decides on as a span of the trace that led to it. */
export const tracedDecisions: InjectedSinks<DecisionSinks> = {
  decisions: {
    made: {
      fn: ({ workflowId, runId }, { state: { cause }, effect }) => {
        if (!cause) return;
        recordSpan(() => ({
          name: `decide ${effect.type}`,
          parent: cause.traceparent,
          attributes: { 'workflow.id': workflowId, 'workflow.run_id': runId },
        }));
      },
      callDuringReplay: false,
    },
  },
};
