import { serviceNames } from '../contracts/access.ts';
import { gauge } from './define.ts';

interface PartHealth {
  name: string;
  health: { ready: boolean; standby?: string };
}

const parts = new Set<readonly PartHealth[]>();

/** Has the parts of a process counted at each scrape, also those that are added later. @returns how to end that */
export function countParts(ofProcess: readonly PartHealth[]): () => void {
  parts.add(ofProcess);
  return () => void parts.delete(ofProcess);
}

const of = serviceNames;

gauge(
  {
    name: 'part_ready',
    help: '1 while a part of the process does its work, else 0, as `GET /ready` says it.',
    labels: ['part'],
    of,
  },
  (metric) => {
    metric.reset();
    for (const { name, health } of [...parts].flat()) metric.set({ part: name }, health.ready ? 1 : 0);
  },
);

gauge(
  {
    name: 'part_standby',
    help: '1 while a part of the process stands by for another process, else 0.',
    labels: ['part'],
    of,
  },
  (metric) => {
    metric.reset();
    for (const { name, health } of [...parts].flat()) metric.set({ part: name }, health.standby === undefined ? 0 : 1);
  },
);

interface CountedPool {
  ended: boolean;
  totalCount: number;
  idleCount: number;
  waitingCount: number;
}

const pools = new Set<CountedPool>();

/** Has the connections of a pool counted at each scrape, until the pool ends. */
export function countConnections(pool: CountedPool): void {
  pools.add(pool);
}

gauge(
  {
    name: 'database_connections',
    help: 'Connections of the pools to PostgreSQL. `state`: `busy`, `idle`, or `waited_for` by queries that have none.',
    labels: ['state'],
    of: ['agents_worker', 'user_backend', 'admin_backend', 'deployer'],
  },
  (metric) => {
    for (const pool of pools) if (pool.ended) pools.delete(pool);
    const all = [...pools];
    metric.set(
      { state: 'busy' },
      all.reduce((sum, { totalCount, idleCount }) => sum + totalCount - idleCount, 0),
    );
    metric.set(
      { state: 'idle' },
      all.reduce((sum, { idleCount }) => sum + idleCount, 0),
    );
    metric.set(
      { state: 'waited_for' },
      all.reduce((sum, { waitingCount }) => sum + waitingCount, 0),
    );
  },
);
