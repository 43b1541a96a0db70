/**
 * A worker process of a runtime folder, for tests that kill or stop it: `<folder> <name> <poll interval in ms>`. It watches agents, and obeys commands, one
 * JSON object a line: see `ServingWorkerCommand`. It prints an answer to each, and writes the ends that it reports into the file
 * `reports` of the folder.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { bootSeconds } from '../../runtimes/boot-clock.ts';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { ProvisionRequest, RuntimeExit } from '../../runtimes/runtime.ts';

export interface ServingWorkerCommand {
  id: number;
  provision?: ProvisionRequest<ProcessSpec>;
  /** Says `starting` right before the agent is started. */
  saysStarting?: boolean;
  /** Pauses this process as SIGSTOP does, after it has said `starting`, so that nothing else of it runs in between. */
  pausesAtStart?: boolean;
  cleanUp?: string;
  /** Renews the lease for so many seconds, again and again. */
  keepLeaseOf?: number;
  /** Stops renewing the lease. */
  dropLease?: boolean;
  /** Ends this process between the report of an end and the note of it. */
  dieAfterReport?: boolean;
}

const [directory = '', name = '', pollMs] = process.argv.slice(2);
const logger = pino({ level: 'warn' }, pino.destination({ dest: join(directory, `${name}.log`), sync: true }));
const runtime = createProcessRuntime({ directory, logger, pollIntervalMs: Number(pollMs) });
let dies = false;
let renewing: NodeJS.Timeout | undefined;

async function report({ instanceId, runtimeId, kind, message }: RuntimeExit): Promise<void> {
  appendFileSync(join(directory, 'reports'), `${JSON.stringify({ by: name, instanceId, runtimeId, kind, message })}\n`);
  if (dies) process.kill(process.pid, 'SIGKILL');
}

async function renew(leaseSeconds: number): Promise<void> {
  await runtime.lease?.renewed({ sentAt: bootSeconds(), leaseSeconds });
}

async function obey({ id, ...command }: ServingWorkerCommand): Promise<unknown> {
  const begunAt = bootSeconds();
  const context = {
    signal: new AbortController().signal,
    heartbeat: () => undefined,
    beforeStart: async () => {
      if (command.saysStarting || command.pausesAtStart) console.log(JSON.stringify({ id, step: 'starting' }));
      if (command.pausesAtStart) process.kill(process.pid, 'SIGSTOP');
    },
  };
  dies ||= command.dieAfterReport === true;
  if (command.dropLease) clearInterval(renewing);
  if (command.keepLeaseOf !== undefined) {
    const seconds = command.keepLeaseOf;
    clearInterval(renewing);
    await renew(seconds);
    renewing = setInterval(() => void renew(seconds), (seconds * 1000) / 3);
  }
  if (command.provision) {
    const { replaceAfterSeconds } = command.provision;
    const mayStart =
      replaceAfterSeconds === undefined ? undefined : () => runtime.lease?.hasHeldSince(begunAt) === true;
    return runtime.provision(command.provision, { ...context, mayStart });
  }
  if (command.cleanUp !== undefined) await runtime.cleanUp(command.cleanUp, context);
  return {};
}

await runtime.watch(report);
createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as ServingWorkerCommand;
  obey(command).then(
    (result) => console.log(JSON.stringify({ id: command.id, result })),
    (error: unknown) => console.log(JSON.stringify({ id: command.id, error: String(error) })),
  );
});
console.log(JSON.stringify({ id: 0, result: {} }));
