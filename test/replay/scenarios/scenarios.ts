import { agents } from './agents.ts';
import { cleanUp } from './clean-up.ts';
import { desiredStates } from './desired-states.ts';
import { doubts } from './doubts.ts';
import { ends } from './ends.ts';
import { gates } from './gates.ts';
import { hosts } from './hosts.ts';
import { longLives } from './long-lives.ts';
import { provisioning } from './provisioning.ts';
import { rollouts } from './rollouts.ts';
import type { Scenarios } from './scenario.ts';

export const scenarios: Scenarios = {
  ...longLives,
  ...desiredStates,
  ...provisioning,
  ...ends,
  ...agents,
  ...cleanUp,
  ...doubts,
  ...hosts,
  ...rollouts,
  ...gates,
};
