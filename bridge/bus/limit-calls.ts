import type { Channel } from 'amqplib';
import { within } from '../../supervision/within.ts';
import { isBlocked } from './resource-alarm.ts';
import { amqpLimits } from './time-limits.ts';

/** RabbitMQ may leave a call unanswered while its connection lives, for example to a queue that has no Raft leader. */
export class Unanswered extends Error {
  override name = 'Unanswered';
}

/**
 * Gives every call on a channel that RabbitMQ answers the limit `amqpLimits.callMs`, after which the call rejects with `Unanswered`.
 * During a resource alarm RabbitMQ answers nothing, so that time starts anew.
 */
export function limitCalls<Limited extends Channel>(
  channel: Limited,
  onUnanswered: (error: Unanswered) => void = () => undefined,
): Limited {
  const answered = async (call: string, answer: Promise<unknown>): Promise<unknown> => {
    const { callMs } = amqpLimits;
    do {
      const result = await within(callMs, answer);
      if (result !== 'too late') return result;
    } while (isBlocked(channel));
    const error = new Unanswered(`RabbitMQ did not answer ${call} within ${callMs} ms`);
    onUnanswered(error);
    throw error;
  };
  return new Proxy(channel, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, given);
        return result instanceof Promise ? answered(String(name), result) : result;
      };
    },
  });
}
