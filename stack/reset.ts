import { rm } from 'node:fs/promises';
import { describe } from '../bridge/supervise.ts';
import { endAgents } from '../runtimes/process/end-agents.ts';
import { stackPaths } from './paths.ts';
import { resetStack } from './stack.ts';

try {
  await resetStack(stackPaths.development);
  await endAgents(stackPaths.agents);
  await rm(stackPaths.agents, { recursive: true, force: true });
  process.stdout.write('The data of `npm start` is gone; downloaded servers are kept.\n');
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exitCode = 1;
}
