import type { Logger } from 'pino';
import { errorMessage } from '../supervision/errors.ts';
import { stopLimits } from '../supervision/time-limits.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { readConfiguration, type Configuration } from '../configuration/configuration.ts';
import { openLogger } from './open-logger.ts';
import { eraseFromEnvironment } from '../configuration/erase-from-environment.ts';
import { secretVariables } from '../configuration/secrets.ts';
import type { Service, ServiceOptions } from './services/service.ts';
import { useLoggerInTemporal, useTemporalWithMetrics } from './temporal-runtime.ts';
import { collectNodeMetrics } from '../metrics/serve.ts';
import { within } from '../supervision/within.ts';

export interface RunProcessOptions {
  name: string;
  start: readonly ((options: ServiceOptions) => Promise<Service>)[];
  /** Whether the process has workers of Temporal. */
  hasWorkers?: boolean;
  /** Whether the process checks tokens. */
  needsTokens?: boolean;
  /** Returns a warning to log at the start. */
  findWarning?: (configuration: Configuration) => string | undefined;
}

/**
 * Runs services until SIGTERM or SIGINT, then stops them in reverse order and exits with code 0. A fatal error is logged with
 * advice and ends the process with code 1. So does a stop that exceeds its time limit.
 */
export async function runProcess(options: RunProcessOptions): Promise<void> {
  const { name, start, hasWorkers = false, needsTokens = false, findWarning } = options;
  const configuration = configurationOrExit(needsTokens);
  const logger = openLogger({ name, level: configuration.logLevel });
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'an error that nothing handled ends the process');
    process.exit(1);
  });
  if (hasWorkers) await useTemporalWithMetrics(logger);
  else useLoggerInTemporal(logger);
  collectNodeMetrics();
  const stopTracing = await startTracing(name, configuration, logger);
  const warning = findWarning?.(configuration);
  if (warning !== undefined) logger.warn(warning);
  // All secrets have been read by now.
  eraseFromEnvironment(secretVariables);
  const services: Service[] = [];

  let ending: Promise<never> | undefined;
  const end = (exitCode: number): void => {
    ending ??= (async () => {
      setTimeout(() => {
        logger.fatal(`It did not end within ${stopLimits.processMs} ms. What was in hand is done again.`);
        process.exit(1);
      }, stopLimits.processMs).unref();
      for (const service of services.toReversed()) await service.stop();
      await within(stopLimits.spansMs, stopTracing());
      process.exit(exitCode);
    })();
  };
  const onFatal = (error: Error): void => {
    logger.fatal(errorMessage(error));
    end(1);
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info(`${signal}: finishing what is in hand`);
      end(0);
    });
  }
  try {
    for (const startService of start) services.push(await startService({ configuration, logger, onFatal }));
  } catch (error) {
    onFatal(error as Error);
  }
}

/** The modules of OpenTelemetry are loaded only where traces are wanted. @returns how to stop */
async function startTracing(service: string, { tracing }: Configuration, logger: Logger): Promise<() => Promise<void>> {
  if (!tracing) return async () => {};
  const sdk = await import('../tracing/start-tracing.ts');
  return sdk.startTracing({
    ...tracing,
    service,
    onWarning: (message) => logger.warn({ error: message }, 'spans cannot be sent to the collector'),
  });
}

function configurationOrExit(needsTokens: boolean): Configuration {
  try {
    const refusal = findPasswordOnCommandLine(process.argv.slice(2));
    if (refusal !== undefined) throw new Error(refusal);
    return readConfiguration({}, { needsTokens });
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`);
    process.exit(1);
  }
}
