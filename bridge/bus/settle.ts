import { setTimeout as delay } from 'node:timers/promises';
import type { ConfirmChannel, Message } from 'amqplib';
import type { Logger } from 'pino';
import type { DomainQueueName } from '../../contracts/topology.ts';
import { deadLetter } from './dead-letter.ts';
import { ContractViolation } from './incoming-event.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { handlingRetries, handlingSeconds, messagesHandled } from '../../metrics/bus.ts';

interface SettleOptions {
  queue: DomainQueueName;
  logger: Logger;
  handle: (signal: AbortSignal) => Promise<void>;
  message: Message;
  channel: ConfirmChannel;
  signal: AbortSignal;
}

/** Repeats the handling of a message until it succeeds or the message is dead-lettered; then acknowledges the message. */
export async function settle({ message, channel, queue, logger, handle, signal }: SettleOptions): Promise<void> {
  const handledAfter = handlingSeconds.startTimer({ queue });
  let outcome = 'handled';
  const bury = async (reason: string): Promise<void> => {
    logger.error({ queue, messageId: message.properties.messageId, reason }, 'message dead-lettered');
    await deadLetter({ channel, queue, message, reason });
    outcome = 'dead_lettered';
  };
  for (let failures = 1, retryMs = firstRetryMs; ; failures += 1, retryMs = Math.min(retryMs * 2, maxRetryMs)) {
    try {
      await handle(signal);
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FatalError) throw error;
      if (error instanceof ContractViolation) {
        await bury(error.message);
        break;
      }
      if (isProgrammingError(error) && failures >= maxProgrammingErrors) {
        await bury(`Handling it failed ${failures} times: ${errorMessage(error)}`);
        break;
      }
      const log = { queue, messageId: message.properties.messageId, retryInMs: retryMs, error: errorMessage(error) };
      logger.warn(log, 'a message could not be handled; trying again');
      handlingRetries.inc({ queue });
      await delay(retryMs, undefined, { signal });
    }
  }
  channel.ack(message);
  messagesHandled.inc({ queue, outcome });
  handledAfter();
}

const firstRetryMs = 100;
const maxRetryMs = 10_000;
const maxProgrammingErrors = 5;

/** JavaScript itself throws these errors: the same message causes them again, unlike an outage, which passes. */
function isProgrammingError(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
