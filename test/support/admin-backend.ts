import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { readConfiguration } from '../../configuration/configuration.ts';
import { startAdminBackend as startService } from '../../workers/services/admin-backend.ts';
import { openDocumentedApi, type Answer as DocumentedAnswer } from './documented-api.ts';
import type { Rig } from './rig.ts';
import { signToken, tokenSettings } from './tokens.ts';
import { useOpened } from './use-opened.ts';

export type AdminBackend = Awaited<ReturnType<typeof startAdminBackend>>;

/** The form of `body` is not checked here: tests do so themselves. */
export interface Answer<Body> extends Omit<DocumentedAnswer, 'body'> {
  body: Body;
}

export interface CallOptions {
  method?: string;
  json?: unknown;
  /** Replaces the token of an admin; null sends none. */
  token?: string | null;
  headers?: Record<string, string>;
}

/** admin_backend for the tests of a file or of a `describe`. It connects to RabbitMQ once its queues exist. */
export function useAdminBackend(rig: Rig): AdminBackend {
  return useOpened(
    () => startAdminBackend(rig),
    (backend) => backend.stop(),
  );
}

/** admin_backend on the rig's servers, with its own logins and not waited for, and calls to it by an admin. */
export async function startAdminBackend(rig: Rig, settings: Record<string, string> = {}) {
  const configuration = readConfiguration({
    ...rig.environmentOf('admin_backend'),
    ...tokenSettings,
    ADMIN_BACKEND_PORT: '0',
    ADMIN_BACKEND_HEALTH_PORT: '0',
    REQUESTS_PER_MINUTE: '100000',
    ...settings,
  });
  const log: { msg: string; error?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as { msg: string }) });
  const service = await startService({ configuration, logger, onFatal: (error) => rig.fatal.push(error) });
  const call = await openDocumentedApi(service.url);
  const admin = await signToken({ userId: randomUUID(), roles: ['admin'] });
  let stopping: Promise<void> | undefined;

  return {
    ...service,
    stop: () => (stopping ??= service.stop()),
    log,
    /** Throws when an answer is not what the OpenAPI document says. */
    call: async <Body = Record<string, unknown>>(
      path: string,
      { method = 'GET', json, token = admin, headers = {} }: CallOptions = {},
    ): Promise<Answer<Body>> => {
      const answer = await call(method, path, { json, token: token ?? undefined, headers });
      return { ...answer, body: answer.body as Body };
    },
  };
}
