import { runProcess } from './run-process.ts';
import { startAgentsWorker } from './services/agents-worker.ts';
import { startEventBroker } from './services/event-broker.ts';
import { findSharedUser } from '../configuration/shared-user.ts';

await runProcess({
  name: 'engine',
  start: [startEventBroker, startAgentsWorker],
  hasWorkers: true,
  findWarning: findSharedUser,
});
