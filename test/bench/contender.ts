import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runLifecycles, type LifecycleOptions, type Lifecycles, type Lives } from './run-lifecycles.ts';

/** From the process of a contender. */
type FromContender = { type: 'ready' } | { type: 'done'; lifecycles: Lifecycles };

/** A contender that takes longer for one order hangs. */
const limitMs = 600_000;

/** A process of its own that runs the same lifecycle without the engine, so that its CPU time is its own as well. */
export interface Contender {
  pid: number;
  run: (options: LifecycleOptions) => Promise<Lifecycles>;
  close: () => Promise<void>;
}

/**
 * Starts a program of this folder that calls `serveLifecycles`.
 *
 * @param settings are the environment of the program
 */
export async function startContender(program: string, settings: Record<string, string>): Promise<Contender> {
  const { PATH = '', HOME = '' } = process.env;
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    env: { PATH, HOME, ...settings },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const heard = async <Type extends FromContender['type']>(
    type: Type,
  ): Promise<Extract<FromContender, { type: Type }>> => {
    const message = await Promise.race([
      once(child, 'message', { signal: AbortSignal.timeout(limitMs) }).then(([first]) => first as FromContender),
      ended.then(([code]) => {
        throw new Error(`${program} ended with ${String(code)}; its output is above.`);
      }),
    ]);
    if (message.type !== type) throw new Error(`${program} sent ${message.type} instead of ${type}.`);
    return message as Extract<FromContender, { type: Type }>;
  };
  await heard('ready');
  return {
    pid: child.pid ?? 0,
    run: async (options) => {
      const done = heard('done');
      child.send(options);
      return (await done).lifecycles;
    },
    close: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Runs lifecycles whenever the benchmark asks for them, until it disconnects. */
export async function serveLifecycles(lives: Lives, close: () => Promise<void>): Promise<void> {
  const tell = (message: FromContender): void => void process.send?.(message);
  process.on('message', (options: LifecycleOptions) => {
    runLifecycles(lives, options).then(
      (lifecycles) => tell({ type: 'done', lifecycles }),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
        process.exit(1);
      },
    );
  });
  tell({ type: 'ready' });
  await once(process, 'disconnect');
  await close();
}

/** Promises by id, for steps that tell the process they run in that they have run. */
export function createNotices() {
  const resolvers = new Map<string, () => void>();
  return {
    /** To be called before the work begins that ends with `arrive`. */
    expect: (id: string): Promise<void> => new Promise((resolve) => resolvers.set(id, resolve)),
    arrive: (id: string): void => {
      resolvers.get(id)?.();
      resolvers.delete(id);
    },
  };
}
