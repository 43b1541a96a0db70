import { counter, gauge, histogram } from './define.ts';

export const requestSeconds = histogram(
  {
    name: 'http_request_seconds',
    help: 'Duration of HTTP requests. `route` is that of the OpenAPI document, or `(none)`.',
    labels: ['method', 'route', 'status'],
    of: ['user_backend', 'admin_backend'],
  },
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
);

const of = ['user_backend'] as const;

export const eventsPushed = counter({
  name: 'events_pushed_total',
  help: 'Events that at least one live client got as they arrived. Events that clients catch up with are not counted.',
  labels: ['type'],
  of,
});

interface LiveCounts {
  clients: number;
  users: number;
  catchingUp: number;
}

const sources = new Set<() => LiveCounts>();

/** Has the live clients counted at each scrape. @returns how to end that */
export function countLiveClients(counts: () => LiveCounts): () => void {
  sources.add(counts);
  return () => void sources.delete(counts);
}

function sum(count: (counts: LiveCounts) => number): number {
  return [...sources].reduce((total, source) => total + count(source()), 0);
}

gauge({ name: 'live_clients', help: 'Open connections for live updates.', of }, (metric) =>
  metric.set(sum(({ clients }) => clients)),
);
gauge({ name: 'live_users', help: 'Users with an open connection for live updates.', of }, (metric) =>
  metric.set(sum(({ users }) => users)),
);
gauge({ name: 'live_clients_catching_up', help: 'Live clients that read the event log at the moment.', of }, (metric) =>
  metric.set(sum(({ catchingUp }) => catchingUp)),
);
