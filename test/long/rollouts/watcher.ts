import { fileURLToPath } from 'node:url';
import { openPythonClient } from '../../support/python-client.ts';

/** What a client that shares no code with the project saw of a rollout: see watch_rollouts.py. */
export interface Report {
  rollout_id: string;
  ended: string;
  body: { reason?: { code: string; message: string } } & Record<string, unknown>;
  moved: string[];
  reverted: string[];
  most_moves: number;
  most_out: number;
  most_not_back: number;
}

export interface Watcher {
  /** Waits for the end of a rollout on the bus. */
  until: (rolloutId: string, timeoutMs: number) => Promise<Report>;
  end: () => Promise<void>;
}

const script = fileURLToPath(new URL('../watchers/watch_rollouts.py', import.meta.url));

/** @throws Error if there is no Python */
export async function openWatcher(amqpUrl: string): Promise<Watcher> {
  const { find, end } = await openPythonClient(script, amqpUrl);
  return {
    until: async (rolloutId, timeoutMs) => {
      const report: unknown = await find(({ rollout_id: id }) => id === rolloutId, timeoutMs);
      return report as Report;
    },
    end,
  };
}
