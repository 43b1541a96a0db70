import { startWorkerProcess } from './worker-process.ts';

/** `npm run contracts:check` as a person or a pipeline runs it. */
export async function contractsCheck(args: readonly string[], environment: Record<string, string> = {}) {
  const check = startWorkerProcess('instances', environment, ['contracts', 'check', ...args]);
  return { exitCode: await check.exit, output: check.output() };
}
