import { counter, gauge, histogram } from './define.ts';

const of = ['event_broker'] as const;

/** What event_broker does with the log. */

export const leading = gauge({
  name: 'event_broker_leading',
  help: '1 while this event_broker publishes, 0 while it stands by.',
  of,
});

export const published = counter({
  name: 'events_published_total',
  help: 'Events that RabbitMQ has confirmed.',
  labels: ['type'],
  of,
});

export const publicationFailures = counter({
  name: 'publication_failures_total',
  help: 'Events that RabbitMQ did not confirm or that no queue took. They are published again.',
  of,
});

export const unconfirmed = gauge({
  name: 'publications_unconfirmed',
  help: 'Events that were sent and wait for their confirm.',
  of,
});

export const publicationSeconds = histogram(
  { name: 'publication_seconds', help: 'Time from the sending of an event until its confirm.', of },
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
);

export const entriesRejected = counter({
  name: 'entries_rejected_total',
  help: 'Entries of the event log that could not become events and were set aside.',
  of,
});
