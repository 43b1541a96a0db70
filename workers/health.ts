import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectionLimits, createLimitedServer } from '../backends/http/connection-limits.ts';
import { countParts } from '../metrics/process.ts';
import { contentType, readMetrics } from '../metrics/serve.ts';
import { errorMessage } from '../supervision/errors.ts';

export interface Part {
  name: string;
  health: { ready: boolean; lastError?: string; standby?: string };
}

export interface HealthOptions {
  host: string;
  /** The port 0 stands for any free port. */
  port: number;
  /** The setting that holds the port. */
  setting: string;
  parts: readonly Part[];
}

/** Health checks come from nearby and fit in one packet, so their limits are short. */
const limits = { ...connectionLimits, headersMs: 5_000, requestMs: 5_000, idleMs: 5_000, connections: 1_000 };

export interface HealthServer {
  port: number;
  close(): Promise<void>;
}

/**
 * `GET /live` answers 200 while the process runs; `GET /ready` answers 200 when every part is connected and at work,
 * else 503. `GET /ready-or-standby` also answers 200 when a part stands by for another process, for supervisors that wait until a new
 * process is of use: a standby is, and may stay one. The body of each is `{ready, parts: [{name, ready, lastError?, standby?}]}`, where
 * `standby` names the process that does the work instead of this one. `GET /metrics` answers with the metrics of the process.
 *
 * @throws Error that names the setting when the port cannot be used
 */
export async function serveHealth({ host, port, setting, parts }: HealthOptions): Promise<HealthServer> {
  const server = createLimitedServer(limits, (request, response) => {
    if (request.url === '/metrics') {
      void answerMetrics(response);
      return;
    }
    const ready = parts.every(({ health }) => health.ready);
    const isOfUse = parts.every(({ health }) => health.ready || health.standby !== undefined);
    const status =
      new Map([
        ['/live', 200],
        ['/ready', ready ? 200 : 503],
        ['/ready-or-standby', isOfUse ? 200 : 503],
      ]).get(request.url ?? '') ?? 404;
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify({ ready, parts: parts.map(({ name, health }) => ({ name, ...health })) }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  }).catch((cause: NodeJS.ErrnoException) => {
    const advice = `End what uses it, or give this process another one with ${setting}: two builds on one host need two.`;
    throw new Error(`The health port ${host}:${port} cannot be listened on: ${cause.code}. ${advice}`, { cause });
  });
  const endCount = countParts(parts);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        endCount();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerMetrics(response: ServerResponse): Promise<void> {
  try {
    const text = await readMetrics();
    response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
    response.end(text);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' });
    response.end(`The metrics cannot be read: ${errorMessage(error)}\n`);
  }
}
