import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';

/** Codes of errors that close a channel but not its connection: https://www.rabbitmq.com/docs/channels#error-handling */
export const refusals = { accessRefused: 403, notFound: 404, resourceLocked: 405, preconditionFailed: 406 } as const;

interface ChannelError extends Error {
  /** The method of AMQP 0-9-1 that was refused: https://www.rabbitmq.com/amqp-0-9-1-reference */
  classId?: number;
  methodId?: number;
}

export function isClosedWith(error: unknown, ...codes: number[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(error.code as number);
}

/**
 * Classifies an error with which RabbitMQ closed a channel.
 *
 * @returns FatalError if the account lacks a right, which only a person can grant; CannotWork if an object is missing, in use or
 *   declared differently; any other error unchanged
 */
export function explainRefusal(error: unknown, amqpUrl: string): unknown {
  if (isClosedWith(error, refusals.accessRefused)) {
    const { host, username } = new URL(amqpUrl);
    const account = username === '' ? 'guest' : decodeURIComponent(username);
    return new FatalError(
      `RabbitMQ at ${host} refuses the right to ${rightIn(error as ChannelError)} to the account ${account}: ${errorMessage(error)}. ` +
        `Name the account of this service in AMQP_URL; npm run contracts:check -- --accounts compares the rights of ` +
        'all accounts with those that they need.',
      { cause: error },
    );
  }
  if (isClosedWith(error, refusals.notFound)) {
    return new CannotWork(
      `RabbitMQ does not have what is needed: ${errorMessage(error)}. event_broker declares it: start event_broker, if it does not run.`,
      { cause: error },
    );
  }
  if (isClosedWith(error, refusals.resourceLocked, refusals.preconditionFailed)) {
    return new CannotWork(`RabbitMQ closed a channel: ${errorMessage(error)}.`, { cause: error });
  }
  return error;
}

/** The missing right, which RabbitMQ 3.10 does not name: https://www.rabbitmq.com/docs/access-control#authorisation */
function rightIn({ message, classId, methodId }: ChannelError): string {
  const named = /(configure|write|read) access to/.exec(message)?.[1];
  if (named !== undefined) return named;
  const ofExchange = message.includes('access to exchange');
  const rights: Readonly<Record<string, string>> = {
    '60.40': 'write', // basic.publish
    '60.20': 'read', // basic.consume
    '60.70': 'read', // basic.get
    '50.30': 'read', // queue.purge
    '50.20': ofExchange ? 'read' : 'write', // queue.bind
    '50.50': ofExchange ? 'read' : 'write', // queue.unbind
    '50.10': ofExchange ? 'write' : 'configure', // queue.declare, which also needs a right to the dead-letter exchange
  };
  return rights[`${classId}.${methodId}`] ?? 'configure';
}
