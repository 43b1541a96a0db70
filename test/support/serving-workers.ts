import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, inject, test, vi } from 'vitest';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { ProvisionRequest, RunningAgent, RuntimeExit } from '../../runtimes/runtime.ts';
import { createAgentRig } from './process-agents.ts';
import type { ServingWorkerCommand } from './serving-worker.ts';

/** How often a worker polls the agents that other workers started. */
export const servingWorkerPollMs = 200;

interface Answer {
  id: number;
  step?: string;
  result?: Partial<RunningAgent>;
  error?: string;
}

type Reported = Pick<RuntimeExit, 'instanceId' | 'runtimeId' | 'kind' | 'message'> & { by: string };

export type ServingWorker = Awaited<ReturnType<typeof startServingWorker>>;

/** A worker of a runtime folder, in a process of its own. Resolves once it watches. */
async function startServingWorker(directory: string, name: string) {
  const program = join(inject('workerPrograms'), 'serving-worker.mjs');
  const child: ChildProcess = spawn(process.execPath, [program, directory, name, String(servingWorkerPollMs)], {
    env: { ...process.env, WORKER_SECRET: 'known only to the worker' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const answers: Answer[] = [];
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => answers.push(JSON.parse(line)));
  const answerTo = (id: number) =>
    vi.waitUntil(() => answers.find((answer) => answer.id === id && answer.step === undefined), {
      timeout: 30_000,
      interval: 10,
    });
  await answerTo(0);
  let commands = 0;

  function send(command: Omit<ServingWorkerCommand, 'id'>): number {
    commands += 1;
    child.stdin?.write(`${JSON.stringify({ id: commands, ...command })}\n`);
    return commands;
  }

  return {
    pid: child.pid ?? Number.NaN,
    /** Gives a command whose answer nobody awaits. */
    send,
    /** Resolves with the answer, which may be an error. */
    ask: (command: Omit<ServingWorkerCommand, 'id'>): Promise<Answer> => answerTo(send(command)),
    /** Resolves once the worker is about to start the agent. */
    async begin(command: Omit<ServingWorkerCommand, 'id'>): Promise<{ answer: () => Promise<Answer> }> {
      const id = send(command);
      await vi.waitUntil(() => answers.some((answer) => answer.id === id && answer.step === 'starting'));
      return { answer: () => answerTo(id) };
    },
    /** Starts an agent and resolves with its runtime id. */
    async provision(request: ProvisionRequest<ProcessSpec>): Promise<string> {
      const { result, error } = await answerTo(send({ provision: request }));
      expect(error).toBeUndefined();
      return result?.runtimeId ?? '';
    },
    signal: (signal: NodeJS.Signals): void => void child.kill(signal),
    async kill(): Promise<void> {
      child.kill('SIGKILL');
      await exit;
    },
    exit,
  };
}

/** Every end that the workers of a folder have reported. */
export async function readReports(directory: string): Promise<Reported[]> {
  const text = await readFile(join(directory, 'reports'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** A test with a folder of its own, and workers of that folder: such tests can run side by side. */
export const workerTest = test
  .extend('rig', async ({ onTestFinished }) => {
    const rig = await createAgentRig();
    onTestFinished(() => rig.dispose());
    return rig;
  })
  .extend('startWorker', ({ rig, onTestFinished }) => async (name: string): Promise<ServingWorker> => {
    const worker = await startServingWorker(rig.directory, name);
    onTestFinished(() => worker.kill());
    return worker;
  });
