import { runProcess } from './run-process.ts';
import { startAgentsWorker } from './services/agents-worker.ts';

await runProcess({ name: 'agents_worker', start: [startAgentsWorker] });
