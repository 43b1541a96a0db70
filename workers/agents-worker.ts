import { runProcess } from './run-process.ts';
import { startAgentsWorker } from './services/agents-worker.ts';
import { findSharedUser } from '../configuration/shared-user.ts';

await runProcess({
  name: 'agents_worker',
  start: [startAgentsWorker],
  hasWorkers: true,
  findWarning: findSharedUser,
});
