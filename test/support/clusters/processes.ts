import { expect, vi } from 'vitest';
import { freePorts } from '../kubernetes/free-ports.ts';
import type { Rig } from '../rig.ts';
import { tokenSettings } from '../tokens.ts';
import { startWorkerProcess } from '../worker-process.ts';

const services = {
  'event-broker': 'event_broker',
  'agents-worker': 'agents_worker',
  'user-backend': 'user_backend',
  'admin-backend': 'admin_backend',
} as const;

export type Process = keyof typeof services;
export const processNames = Object.keys(services) as Process[];

export interface Readiness {
  status: number;
  /** The body of `/ready`. */
  text: string;
}

export interface EngineProcesses {
  userBackendUrl: string;
  /** What `/ready` of a process answers. */
  readiness(name: Process): Promise<Readiness>;
  /** Waits until every process says that it is ready. */
  untilReady(timeoutMs?: number): Promise<void>;
  output(name: Process): string;
  /** Ends every process with SIGTERM, and expects each to have run until then and to end with exit code 0. */
  stop(): Promise<void>;
}

/**
 * The engine on the servers of a rig, each service as a process of its own with its own logins.
 *
 * @param change returns the settings of a process, made of those of the rig
 */
export async function startProcesses(
  rig: Rig,
  change: (settings: Record<string, string>) => Record<string, string> = (settings) => settings,
): Promise<EngineProcesses> {
  const [userBackendPort = 0, adminBackendPort = 0, ...healthPorts] = await freePorts(2 + processNames.length);
  const portOf = (name: Process): number => healthPorts[processNames.indexOf(name)] ?? 0;
  const started = new Map(
    processNames.map((name) => {
      const service = services[name];
      const settings = {
        ...rig.environmentOf(service),
        ...tokenSettings,
        USER_BACKEND_PORT: String(userBackendPort),
        ADMIN_BACKEND_PORT: String(adminBackendPort),
        REQUESTS_PER_MINUTE: '1000000',
        [`${service.toUpperCase()}_HEALTH_PORT`]: String(portOf(name)),
      };
      return [name, startWorkerProcess(name, change(settings))] as const;
    }),
  );
  const output = (name: Process): string => started.get(name)?.output() ?? '';
  const readiness = async (name: Process): Promise<Readiness> => {
    const answer = await fetch(`http://127.0.0.1:${portOf(name)}/ready`);
    return { status: answer.status, text: await answer.text() };
  };

  return {
    userBackendUrl: `http://127.0.0.1:${userBackendPort}`,
    readiness,
    untilReady: async (timeoutMs = 60_000) => {
      for (const name of processNames) {
        await vi.waitFor(
          async () => expect(await readiness(name), `/ready of ${name}`).toMatchObject({ status: 200 }),
          {
            timeout: timeoutMs,
            interval: 100,
          },
        );
      }
    },
    output,
    stop: async () => {
      const codes = await Promise.all(
        [...started].map(async ([name, { kill }]) => [name, await kill('SIGTERM')] as const),
      );
      expect(Object.fromEntries(codes)).toEqual(Object.fromEntries(processNames.map((name) => [name, 0])));
    },
  };
}
