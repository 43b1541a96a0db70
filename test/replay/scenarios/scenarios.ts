import { agents } from './agents.ts';
import { cleanUp } from './clean-up.ts';
import { doubts } from './doubts.ts';
import { ends } from './ends.ts';
import { longLives } from './long-lives.ts';
import { provisioning } from './provisioning.ts';
import type { Scenarios } from './scenario.ts';
import { wishes } from './wishes.ts';

export const scenarios: Scenarios = {
  ...longLives,
  ...wishes,
  ...provisioning,
  ...ends,
  ...agents,
  ...cleanUp,
  ...doubts,
};
