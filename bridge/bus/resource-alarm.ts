import type { Channel, ChannelModel } from 'amqplib';

export interface ResourceAlarm {
  /** Why RabbitMQ takes no messages at the moment, and what to do; undefined when it takes them. */
  readonly sentence: string | undefined;
}

/**
 * Notes whether an alarm of RabbitMQ blocks the connection: it then reads nothing that is sent over it, so that no call is answered until
 * the alarm is over. It says so once something is published (https://www.rabbitmq.com/docs/connection-blocked).
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

/** Whether an alarm of RabbitMQ blocks the connection of the channel. */
export function isBlocked({ connection }: Pick<Channel, 'connection'>): boolean {
  return (connection as { blocked?: boolean }).blocked === true;
}
