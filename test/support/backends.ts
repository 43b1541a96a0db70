import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { startUserBackend as startService } from '../../workers/services/user-backend.ts';
import { openDocumentedApi, type Answer, type CallOptions } from './documented-api.ts';
import type { Rig } from './rig.ts';
import { signToken, tokenSettings } from './tokens.ts';
import { useOpened } from './use-opened.ts';

export type UserBackend = Awaited<ReturnType<typeof startUserBackend>>;
export type UserApi = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

/** user_backend, ready, for the tests of a file or of a `describe`. */
export function useUserBackend(rig: Rig, settings: Record<string, string> = {}): UserBackend {
  return useOpened(
    () => startUserBackend(rig, settings),
    (backend) => backend.stop(),
  );
}

/** user_backend on the rig's servers, and calls to it whose answers are checked against its OpenAPI document. */
export async function startUserBackend(
  rig: Rig,
  settings: Record<string, string> = {},
  { untilReady = true }: { untilReady?: boolean } = {},
) {
  const configuration = readConfiguration({
    ...rig.environmentOf('user_backend'),
    ...tokenSettings,
    USER_BACKEND_PORT: '0',
    USER_BACKEND_HEALTH_PORT: '0',
    REQUESTS_PER_MINUTE: '1000000',
    ...settings,
  });
  const log: { level: number; msg: string; error?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[number]) });
  // user_backend waits for the topology that event_broker makes, and not every test runs event_broker.
  await assertTopology(rig.bus.channel, 'event_broker');
  const service = await startService({ configuration, logger, onFatal: (error) => rig.fatal.push(error) });
  if (untilReady) await service.ready();
  const call = await openDocumentedApi(service.url);
  let stopping: Promise<void> | undefined;

  /** Makes a user, with calls in the name of that user. */
  const user = async ({ userId = randomUUID(), roles = [] }: { userId?: string; roles?: string[] } = {}) => {
    const token = await signToken({ userId, roles });
    const api: UserApi = (method, path, options) => call(method, path, { token, ...options });
    return { userId, token, api };
  };
  return {
    ...service,
    stop: () => (stopping ??= service.stop()),
    log,
    /** Sends no token unless one is given. */
    call,
    user,
    admin: () => user({ roles: ['admin'] }),
  };
}
