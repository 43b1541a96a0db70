import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { readReference } from '../../stack/process-reference.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';

/** Servers of the benchmark's own, and what its measurements share. */
export interface Bench {
  directory: string;
  databaseUrl: string;
  amqpUrl: string;
  managementUrl: string;
  temporalAddress: string;
  temporal: Client;
  /** The workflow code, bundled once, as an image has it. */
  workflowBundle: string;
  /** Ids of the processes of the servers. */
  pids: Readonly<Record<'PostgreSQL' | 'RabbitMQ' | 'Temporal', number>>;
  /** Whether only the rows that take seconds are wanted. */
  isQuick: boolean;
  /** A count as it is in a whole run, or fewer where the run was asked to be smaller. */
  scaled: (count: number, atLeast?: number) => number;
  /** Points of a growth curve beyond this size are left out. */
  largest: number;
  say: (line: string) => void;
  /** Does work that several measurements look at, the first time that one of them asks for it. */
  once: <Result>(work: string, run: () => Promise<Result>) => Promise<Result>;
  /** Called when the benchmark ends, the last one first. */
  atEnd: (close: () => Promise<unknown>) => void;
  close: () => Promise<void>;
}

interface BenchOptions {
  isQuick: boolean;
  scale: number;
  largest: number;
  say: (line: string) => void;
}

export async function openBench({ isQuick, scale, largest, say }: BenchOptions): Promise<Bench> {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
  const directory = resolve(stackRoot, 'bench');
  await resetStack(directory);
  const stack = await startStack({ directory, toolsDirectory, portBase: 'free', onProgress: say });
  const closers: (() => Promise<unknown>)[] = [
    async () => {
      await stack.stop();
      await resetStack(directory);
    },
  ];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne();
  };
  try {
    const { databaseUrl, amqpUrl, managementUrl, temporal } = stack;
    if (managementUrl === undefined || temporal === undefined) throw new Error('The servers did not all start.');
    const workflowBundle = join(directory, 'workflow-bundle.js');
    await writeFile(workflowBundle, (await loadWorkflowBundle()).code);
    const pidOf = (folder: string): number => {
      const reference = readReference(join(directory, folder, 'process.json'));
      if (!reference) throw new Error(`The process of ${folder} is not known: its CPU time cannot be measured.`);
      return reference.pid;
    };
    const connection = await Connection.connect({ address: temporal.address });
    closers.push(() => connection.close());
    const works = new Map<string, Promise<unknown>>();
    return {
      directory,
      databaseUrl,
      amqpUrl,
      managementUrl,
      temporalAddress: temporal.address,
      temporal: new Client({ connection }),
      workflowBundle,
      pids: { PostgreSQL: pidOf('postgres'), RabbitMQ: pidOf('rabbitmq'), Temporal: pidOf('temporal') },
      isQuick,
      scaled: (count, atLeast = 1) => Math.max(Math.round(count * scale), atLeast),
      largest,
      say,
      once: <Result>(work: string, run: () => Promise<Result>) => {
        const result = (works.get(work) as Promise<Result> | undefined) ?? run();
        works.set(work, result);
        return result;
      },
      atEnd: (closeOne) => void closers.push(closeOne),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
