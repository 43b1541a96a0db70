import { Client, Connection } from '@temporalio/client';
import { errorMessage } from '../supervision/errors.ts';
import { explainUntrusted, UntrustedCertificate } from '../certificates/untrusted-certificate.ts';
import { temporalCertificate } from '../configuration/temporal.ts';
import { readCommandLineConfiguration } from '../configuration/command-line.ts';
import { CommandError } from './command-error.ts';

/** Deadline for all calls of one command together. */
const deadlineMs = 20_000;

/** Runs the work on one connection. @throws CommandError that says what to do when Temporal cannot be used */
export async function withTemporal<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  const { connection: options, namespace } = readCommandLineConfiguration().temporal();
  let connection: Connection | undefined;
  try {
    const opened = await Connection.connect({ ...options, connectTimeout: '5 seconds' });
    connection = opened;
    return await opened.withDeadline(Date.now() + deadlineMs, () =>
      work(new Client({ connection: opened, namespace })),
    );
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const untrusted = explainUntrusted(error, temporalCertificate(options.address));
    if (untrusted instanceof UntrustedCertificate) throw new CommandError(untrusted.message, { cause: error });
    const advice = 'Start it, or correct TEMPORAL_ADDRESS.';
    throw new CommandError(`Temporal at ${options.address} cannot be used: ${errorMessage(error)}. ${advice}`, {
      cause: error,
    });
  } finally {
    await connection?.close();
  }
}
