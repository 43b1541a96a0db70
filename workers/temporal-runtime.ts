import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { DefaultLogger, Runtime, type TelemetryOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import { serveSdkMetrics } from '../metrics/serve.ts';

/** Makes the SDK's runtime, of which a process has one, log with the services and leave signals to them. */
export function useLoggerInTemporal(logger: Logger, telemetryOptions: TelemetryOptions = {}): void {
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions,
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      // The task queue of a host has no workflows on purpose.
      if (message.startsWith('No workflows registered')) return;
      const { error, ...others } = { ...meta };
      logger[level === 'ERROR' ? 'error' : 'warn']({ ...others, ...(error !== undefined && { err: error }) }, message);
    }),
  });
}

/**
 * The same, and the SDK measures its workers. Its native part can serve its metrics only on a port of its own, which is a free one of the
 * loopback interface. `GET /metrics` of the process reads them from there, so that there is one address to scrape.
 */
export async function useTemporalWithMetrics(logger: Logger): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const bindAddress = await findFreeAddress();
    try {
      useLoggerInTemporal(logger, {
        metrics: {
          prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
        },
      });
      serveSdkMetrics(`http://${bindAddress}/metrics`);
      return;
    } catch (error) {
      // Somebody else may take the port first.
      if (tries === mostTries) throw error;
    }
  }
}

const mostTries = 5;

async function findFreeAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `${address}:${port}`;
}
