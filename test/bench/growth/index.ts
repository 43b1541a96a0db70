import type { Measurement } from '../measurement.ts';
import { idleInstances } from './idle-instances.ts';
import { log } from './log.ts';
import { runningAgents } from './running-agents.ts';

/** The curves of `npm run bench -- --growth`. */
export const growthMeasurements: readonly Measurement[] = [runningAgents, idleInstances, log];
