import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';
import { errorMessage } from '../supervision/errors.ts';

/** The log of a process: lines of JSON on stdout. */
export function openLogger({ name, level }: { name: string; level: string }, destination?: DestinationStream): Logger {
  const options = { name, level, serializers: { err: errorToJson } };
  return destination ? pino(options, destination) : pino(options);
}

/** Without the other fields of an error: `detail` and `where` of PostgreSQL's quote whole rows, with configs in them. */
function errorToJson(error: unknown): object {
  if (!(error instanceof Error)) return { message: errorMessage(error) };
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message: message === '' ? errorMessage(error) : message, stack };
}
