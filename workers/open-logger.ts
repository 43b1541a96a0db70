import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';
import { errorMessage } from '../supervision/errors.ts';

/** Opens the log of a process, which has lines of JSON on stdout. */
export function openLogger({ name, level }: { name: string; level: string }, destination?: DestinationStream): Logger {
  const options = { name, level, serializers: { err: errorToJson } };
  return destination ? pino(options, destination) : pino(options);
}

/** Leaves out the other fields of an error: PostgreSQL's `detail` and `where` quote whole rows, which hold configs. */
function errorToJson(error: unknown): object {
  if (!(error instanceof Error)) return { message: errorMessage(error) };
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message: message === '' ? errorMessage(error) : message, stack };
}
