import type { Channel, ChannelModel } from 'amqplib';

export interface ResourceAlarm {
  /** Says why RabbitMQ takes no messages, and what to do about it; undefined without an alarm. */
  readonly sentence: string | undefined;
}

/**
 * Follows whether a resource alarm blocks the connection. RabbitMQ then reads nothing from the connection, so that no call is
 * answered before the alarm ends. It announces the alarm only after something was published:
 * https://www.rabbitmq.com/docs/connection-blocked
 */
export function watchResourceAlarm(
  model: ChannelModel,
  { host, onBlocked, onUnblocked }: { host: string; onBlocked: (sentence: string) => void; onUnblocked: () => void },
): ResourceAlarm {
  let sentence: string | undefined;
  model.on('blocked', (reason) => {
    sentence =
      `RabbitMQ at ${host} takes no messages, because an alarm is in effect there: ${reason}. Free what it is short of ` +
      '(rabbitmq-diagnostics alarms says what that is); work then goes on by itself.';
    onBlocked(sentence);
  });
  model.on('unblocked', () => {
    sentence = undefined;
    onUnblocked();
  });
  return {
    get sentence() {
      return sentence;
    },
  };
}

/** Whether a resource alarm blocks the connection of the channel. */
export function isBlocked({ connection }: Pick<Channel, 'connection'>): boolean {
  return (connection as { blocked?: boolean }).blocked === true;
}
