import { counter, gauge, histogram } from './define.ts';

/** The services that consume queues. */
const of = ['agents_worker', 'user_backend', 'admin_backend', 'deployer'] as const;

export const messagesInHand = gauge({
  name: 'messages_in_hand',
  help: 'Messages that are being handled, or wait for another try.',
  labels: ['queue'],
  of,
});

export const messagesHandled = counter({
  name: 'messages_handled_total',
  help: 'Messages that were acknowledged. `outcome`: `handled`, or `dead_lettered`.',
  labels: ['queue', 'outcome'],
  of,
});

export const messagesRedelivered = counter({
  name: 'messages_redelivered_total',
  help: 'Messages that RabbitMQ delivered again, because a consumer lost its connection or ended.',
  labels: ['queue'],
  of,
});

export const handlingRetries = counter({
  name: 'message_retries_total',
  help: 'Failed tries to handle a message that were followed by another one.',
  labels: ['queue'],
  of,
});

export const handlingSeconds = histogram(
  {
    name: 'message_handling_seconds',
    help: 'Time from the delivery of a message until it was acknowledged, with all tries.',
    labels: ['queue'],
    of,
  },
  [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120],
);
