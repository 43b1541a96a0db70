import { pino } from 'pino';
import { readConfiguration } from '../../workers/configuration.ts';
import { startUserBackend as startService } from '../../workers/services/user-backend.ts';
import type { Rig } from './rig.ts';
import { tokenSettings } from './tokens.ts';

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface CallOptions {
  method?: string;
  token?: string;
  json?: unknown;
  headers?: Record<string, string>;
}

/** user_backend on the rig's servers, with its own logins; ready. */
export async function startUserBackend(rig: Rig, settings: Record<string, string> = {}) {
  const configuration = readConfiguration({
    ...rig.environmentOf('user_backend'),
    ...tokenSettings,
    USER_BACKEND_PORT: '0',
    USER_BACKEND_HEALTH_PORT: '0',
    REQUESTS_PER_MINUTE: '100000',
    ...settings,
  });
  const log: { msg: string }[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as { msg: string }) });
  const service = await startService({ configuration, logger, onFatal: (error) => rig.fatal.push(error) });
  await service.ready();
  let stopping: Promise<void> | undefined;

  return {
    ...service,
    log,
    stop: () => (stopping ??= service.stop()),
    call: async (path: string, { method = 'GET', token, json, headers = {} }: CallOptions = {}): Promise<Answer> => {
      const response = await fetch(`${service.url}${path}`, {
        method,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} };
    },
  };
}
