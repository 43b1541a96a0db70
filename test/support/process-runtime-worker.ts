/**
 * A worker process to be killed by tests: `<mode> <directory> <requests as JSON>`. Prints `begun`, then does its work:
 * `provision` provisions each request, printing the runtime ids, and stays; `churn` starts, replaces and cleans up
 * the instances in turn until it is killed.
 */
import { setInterval } from 'node:timers';
import { pino } from 'pino';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { ProvisionRequest } from '../../runtimes/runtime.ts';

const [mode, directory = '', json = ''] = process.argv.slice(2);
const requests = JSON.parse(json) as ProvisionRequest<ProcessSpec>[];
const runtime = createProcessRuntime({ directory, logger: pino({ level: 'silent' }) });
const context = { signal: new AbortController().signal, heartbeat: (): void => undefined };

console.log('begun');
setInterval(() => undefined, 1000);
if (mode === 'provision') {
  for (const request of requests) console.log((await runtime.provision(request, context)).runtimeId);
}
for (;;) {
  if (mode !== 'churn') break;
  for (const request of requests) {
    await runtime.provision({ ...request, generation: 1 }, context);
    await runtime.provision({ ...request, generation: 2 }, context);
    await runtime.cleanUp(request.instanceId, context);
    await runtime.provision({ ...request, generation: 3 }, context);
  }
}
