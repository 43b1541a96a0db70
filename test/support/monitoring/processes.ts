import type { ServiceName } from '../../../contracts/names.ts';
import { until } from '../../../stack/until.ts';
import { freePorts } from '../kubernetes/free-ports.ts';
import type { Rig } from '../rig.ts';
import { tokenSettings } from '../tokens.ts';
import { startWorkerProcess, type WorkerProcess } from '../worker-process.ts';

export interface ScrapedProcess {
  /** Address of the health port. */
  address: string;
  /** Starts it, or starts it again, at the same ports, and resolves once it does its work. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface EngineProcesses {
  'event-broker': ScrapedProcess;
  'agents-worker': ScrapedProcess;
  'user-backend': ScrapedProcess;
  'admin-backend': ScrapedProcess;
  /** URL of user_backend. */
  url: string;
  stop(): Promise<void>;
}

const limitMs = 90_000;

/** The processes of an engine as production runs them, each at a health port that is known beforehand. They are not started yet. */
export async function prepareProcesses(rig: Rig, settings: Record<string, string> = {}): Promise<EngineProcesses> {
  const [http, adminHttp, ...health] = await freePorts(6);
  const own = { ...tokenSettings, ...settings, USER_BACKEND_PORT: String(http), ADMIN_BACKEND_PORT: String(adminHttp) };

  const prepare = (entry: string, login: ServiceName, port: number | undefined): ScrapedProcess => {
    const variable = `${login.toUpperCase()}_HEALTH_PORT`;
    const address = `127.0.0.1:${port}`;
    let running: WorkerProcess | undefined;
    const isReady = async (): Promise<boolean> =>
      fetch(`http://${address}/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    return {
      address,
      start: async () => {
        const started = startWorkerProcess(entry, { ...rig.environmentOf(login), ...own, [variable]: String(port) });
        running = started;
        if (!(await until(isReady, limitMs))) throw new Error(`${entry} is not ready: ${started.output()}`);
      },
      stop: async () => {
        await running?.kill('SIGTERM');
        running = undefined;
      },
    };
  };
  const processes = {
    'event-broker': prepare('event-broker', 'event_broker', health[0]),
    'agents-worker': prepare('agents-worker', 'agents_worker', health[1]),
    'user-backend': prepare('user-backend', 'user_backend', health[2]),
    'admin-backend': prepare('admin-backend', 'admin_backend', health[3]),
  };
  return {
    ...processes,
    url: `http://127.0.0.1:${http}`,
    stop: async () => {
      await Promise.all(Object.values(processes).map((each) => each.stop()));
    },
  };
}
