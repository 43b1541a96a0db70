import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { vi } from 'vitest';
import { processSpec } from '../../runtimes/process/spec.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { UserRange } from '../../runtimes/process/agent-users.ts';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import type { EffectContext, ProvisionRequest, Runtime, RuntimeExit } from '../../runtimes/runtime.ts';

const workerScript = fileURLToPath(new URL('process-runtime-worker.ts', import.meta.url));

export const context = (signal = new AbortController().signal): EffectContext => ({
  signal,
  heartbeat: () => undefined,
});

/** What a request for an agent is in tests: the shell script to run, or a command, and what differs from the defaults. */
interface AgentOptions
  extends Partial<Omit<ProvisionRequest<ProcessSpec>, 'spec' | 'control'>>, Partial<Omit<ProcessSpec, 'kind'>> {
  script?: string;
}

/** Says that it is ready and then waits. To be put behind what an agent does first. */
export const readyAndWait = ': > "$INSTANCE_READY_FILE"; exec sleep 1000';

export type AgentRig = Awaited<ReturnType<typeof createAgentRig>>;

/** A folder for process runtimes, and all that a test starts in it; `dispose` ends and removes everything. */
export async function createAgentRig({ agentUsers }: { agentUsers?: UserRange } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'process-runtime-'));
  const trace = join(directory, 'trace');
  const runtimes: Runtime<ProcessSpec>[] = [];
  const workers: ChildProcess[] = [];
  const instances = new Set<string>();
  const log: string[] = [];

  function request({ script, ...options }: AgentOptions = {}): ProvisionRequest<ProcessSpec> {
    const { instanceId = randomUUID(), agentId = randomUUID(), generation = 1, config = {}, ...spec } = options;
    instances.add(instanceId);
    const command = script === undefined ? ['sleep', '1000'] : ['sh', '-c', script];
    const environment = { TRACE: trace, ...spec.environment };
    return {
      instanceId,
      agentId,
      generation,
      config,
      spec: processSpec.parse({ kind: 'process', command, ...spec, environment }),
    };
  }

  /** A runtime as a new worker process would have it. */
  function openRuntime({ cgroups = true } = {}): Runtime<ProcessSpec> {
    const logger = pino({ level: 'warn' }, { write: (line: string) => void log.push(line) });
    const runtime = createProcessRuntime({ directory, logger, pollIntervalMs: 50, agentUsers, cgroups });
    runtimes.push(runtime);
    return runtime;
  }

  /** A worker in a process of its own. Resolves once it is about to do its work. */
  async function startWorker(mode: 'provision' | 'churn', ...requests: ProvisionRequest<ProcessSpec>[]) {
    const args = ['--import', 'tsx', workerScript, mode, directory, JSON.stringify(requests)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    workers.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await vi.waitUntil(() => lines.includes('begun'), { timeout: 20_000, interval: 5 });
    return {
      lines,
      pid: child.pid ?? Number.NaN,
      async kill(): Promise<void> {
        const exit = once(child, 'exit');
        child.kill('SIGKILL');
        await exit;
      },
    };
  }

  async function dispose(): Promise<void> {
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(runtimes.map((runtime) => runtime.close()));
    const runtime = openRuntime();
    await Promise.all([...instances].map((instanceId) => runtime.cleanUp(instanceId, context())));
    await runtime.close();
    // A watchdog that is about to end may still write its file.
    await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  return {
    directory,
    folderOf: (instanceId: string): string => join(directory, `instance-${instanceId}`),
    /** Whether a start of the instance has begun. */
    hasRecord: (instanceId: string): boolean => existsSync(join(directory, `instance-${instanceId}`, 'start.json')),
    /** What the runtimes logged that somebody should look at. */
    logged: (): string => log.join(''),
    /** What agents wrote to the file `$TRACE`. */
    readTrace: (): Promise<string> => readFile(trace, 'utf8'),
    request,
    openRuntime,
    startWorker,
    dispose,
  };
}

/** The pids of the living processes of an instance. */
export async function processesOf(instanceId: string): Promise<number[]> {
  const all = await listProcesses();
  return all.filter(({ instanceName }) => instanceName === `instance-${instanceId}`).map(({ pid }) => pid);
}

/** Ends the agent of an instance as an accident would. */
export async function killAgent(instanceId: string): Promise<void> {
  const [pid] = await processesOf(instanceId);
  if (pid === undefined) throw new Error(`instance ${instanceId} has no process`);
  process.kill(pid, 'SIGKILL');
}

/** A report function for `watch` that accepts what it is given, after having refused it a number of times. */
export function collectExits({ refusals = 0 } = {}) {
  const exits: RuntimeExit[] = [];
  let calls = 0;
  return {
    exits,
    calls: (): number => calls,
    report: async (exit: RuntimeExit): Promise<void> => {
      calls += 1;
      if (calls <= refusals) throw new TypeError('not now');
      exits.push(exit);
    },
  };
}
