import { gauge } from './define.ts';

const of = ['event_broker'] as const;

export const queueMessages = gauge({
  name: 'queue_messages',
  help: 'Messages that wait in a queue, as the leading event_broker read it within the last seconds. The dead letters of a queue are in `….dead`.',
  labels: ['queue'],
  of,
});

export const queueConsumers = gauge({
  name: 'queue_consumers',
  help: 'Consumers of a queue, read together with its messages.',
  labels: ['queue'],
  of,
});
