import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RuntimeUnavailable } from '../../runtime.ts';
import type { ProcessIdentity } from '../process-entry.ts';
import { launcherMark } from '../process-table-linux.ts';
import { psColumns, psEnvironment } from '../process-table-ps.ts';
import { readIdentity } from '../process-table.ts';

export interface Launch {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** The file that takes the output. It exists. */
  logFile: string;
  /** The default is the user of this process. */
  user?: { uid: number; gid: number };
  /** The folder of the cgroup that the process begins its life in, and of the one to which the launcher returns. */
  cgroup?: { directory: string; home: string };
}

export interface Exit {
  /** Null when a signal ended the process. */
  code: number | null;
  signal: string | null;
}

/** A process that the launcher has started. */
export interface Launched {
  readonly identity: ProcessIdentity;
  /** Whether the process began its life in the cgroup of its launch. */
  readonly inCgroup: boolean;
  /** Undefined while it runs. */
  readonly exit: Exit | undefined;
  /** Resolves once it has ended, or to undefined once the launcher has, because nobody will know the exit code. */
  readonly ended: Promise<Exit | undefined>;
}

export interface Launcher {
  /**
   * Starts a process in a session of its own. The first call starts the launcher.
   *
   * @throws StartUnknown; the error of execve(2), with its `code`
   */
  launch: (launch: Launch) => Promise<Launched>;
  /** Ends the launcher. What it has started goes on. */
  close: () => void;
}

/** The process may have been started. Whoever looks for it has to wait until no start is under way. */
export class StartUnknown extends RuntimeUnavailable {}

interface Answer {
  id: number;
  pid?: number;
  /** What the system says about the process. */
  entry?: string;
  inCgroup?: boolean;
  exit?: Exit;
  error?: { message: string; code?: string };
}

interface Start {
  resolve: (launched: Launched) => void;
  reject: (error: Error) => void;
  launched?: LaunchedProcess;
}

const program = fileURLToPath(new URL('launcher.mjs', import.meta.url));

/** A launcher that takes longer is ended. A start normally takes milliseconds. */
const launchMs = 30_000;

export function createLauncher(): Launcher {
  let running: ReturnType<typeof startLauncher> | undefined;
  return {
    async launch(launch) {
      running ??= startLauncher(() => (running = undefined));
      return running.launch(launch);
    },
    close: () => running?.close(),
  };
}

function startLauncher(onEnd: () => void) {
  const starts = new Map<number, Start>();
  let lastId = 0;
  const child = fork(program, {
    // A signal to the group of the worker, such as Ctrl-C, is not for the launcher.
    detached: true,
    // The environment of the worker holds secrets.
    env: { ...psEnvironment, [launcherMark]: 'yes' },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // The worker may end while it waits for nothing but the launcher.
  child.unref();
  child.channel?.unref();

  const receive = (answer: Answer): void => {
    const start = starts.get(answer.id);
    if (!start) return;
    const { pid, entry, inCgroup = false, exit, error } = answer;
    if (exit) start.launched?.end(exit);
    if (error) start.reject(Object.assign(new Error(error.message), { code: error.code }));
    if (exit || error) starts.delete(answer.id);
    if (pid === undefined || entry === undefined) return;
    const identity = readIdentity(pid, entry);
    if (!identity) {
      start.reject(new StartUnknown(`The agent is not in the process table right after its start (pid ${pid}).`));
      return;
    }
    start.launched = new LaunchedProcess(identity, inCgroup);
    start.resolve(start.launched);
  };
  const end = (): void => {
    onEnd();
    for (const { launched, reject } of starts.values()) {
      launched?.end(undefined);
      reject(
        new StartUnknown('The process that starts agents on the host has ended. The next try starts another one.'),
      );
    }
    starts.clear();
  };
  child.on('message', receive).once('error', end).once('exit', end);

  return {
    launch: async ({ user, ...launch }: Launch): Promise<Launched> => {
      const id = (lastId += 1);
      const timer = setTimeout(() => child.kill('SIGKILL'), launchMs);
      try {
        return await new Promise((resolve, reject) => {
          starts.set(id, { resolve, reject });
          // A message that cannot be sent is followed by the end of the launcher.
          child.send({ id, psColumns, ...launch, ...user }, () => undefined);
        });
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
}

class LaunchedProcess implements Launched {
  readonly identity: ProcessIdentity;
  readonly inCgroup: boolean;
  exit: Exit | undefined;
  readonly ended: Promise<Exit | undefined>;
  #resolve: (exit: Exit | undefined) => void = () => undefined;

  constructor(identity: ProcessIdentity, inCgroup: boolean) {
    this.identity = identity;
    this.inCgroup = inCgroup;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  end(exit: Exit | undefined): void {
    this.exit = exit;
    this.#resolve(exit);
  }
}
