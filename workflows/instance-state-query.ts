import { defineQuery } from '@temporalio/workflow';
import type { InstanceState } from './state.ts';

/** Answers with everything that the workflow knows: for people in Temporal's Web UI, and for tests. */
export const instanceStateQuery = defineQuery<InstanceState>('instanceState');
