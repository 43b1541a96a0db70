import { runProcess } from './run-process.ts';
import { startDeployer } from './services/deployer.ts';

await runProcess({ name: 'deployer', start: [startDeployer], hasWorkers: true });
