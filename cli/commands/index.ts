import type { Command } from 'commander';
import { addAudit } from './audit.ts';
import { addChanges } from './change.ts';
import { addChangeVersion } from './change-version.ts';
import { addContracts } from './contracts.ts';
import { addCreate } from './create.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDeploy } from './deploy.ts';
import { addDeployments } from './deployments.ts';
import { addExplain } from './explain.ts';
import { addHosts } from './hosts.ts';
import { addLimits } from './limits.ts';
import { addList } from './list.ts';
import { addMigrate } from './migrate.ts';
import { addPublish } from './publish.ts';
import { addReplay } from './replay.ts';
import { addRollouts } from './rollouts.ts';
import { addToken } from './token.ts';
import { addWatch } from './watch.ts';

/** Each function adds a command to the program. The order is that of `--help`. */
export const commands: readonly ((program: Command) => void)[] = [
  addCreate,
  addList,
  addChanges,
  addChangeVersion,
  addWatch,
  addExplain,
  addPublish,
  addRollouts,
  addDeploy,
  addDeployments,
  addHosts,
  addLimits,
  addDeadLetters,
  addAudit,
  addToken,
  addMigrate,
  addContracts,
  addReplay,
];
