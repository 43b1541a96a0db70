import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, inject } from 'vitest';
import { adoptInstances, renewHostLease, type RegisteredHost } from '../../database/hosts/leases.ts';
import { placeInstance } from '../../database/hosts/placements.ts';
import { createMigratedDatabase, dropDatabase } from './databases.ts';
import { openTestPool } from './test-pool.ts';

/** A migrated database of a test file's own with hosts whose workers are rows alone. Each test begins without hosts and instances. */
export function useHostRows() {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  let pool: pg.Pool;
  beforeAll(async () => {
    pool = openTestPool({ connectionString: await createMigratedDatabase(inject('postgresUrl'), name), max: 25 });
    // The database is dropped while the server may still be closing connections of the pool.
  });
  beforeEach(() =>
    pool.query(`delete from placements; delete from instances; delete from hosts; delete from agents;
      update lease_history set since = '-infinity'`),
  );
  afterAll(async () => {
    await pool.end();
    await dropDatabase(inject('postgresUrl'), name);
  });

  return {
    database: () => pool,

    /** A host with a worker, on which instances may be placed. */
    openHost: async (settings: Partial<RegisteredHost> = {}) => {
      const host: RegisteredHost = {
        id: randomUUID(),
        name: 'anna',
        runtime: 'process',
        labels: {},
        capacity: null,
        canFence: true,
        leaseSeconds: 60,
        ...settings,
      };
      const worker = { id: randomUUID(), build: 'a1' };
      const renew = () => renewHostLease(pool, host, worker);
      await renew();
      await adoptInstances(pool, host.id, []);
      return { ...host, worker, renew };
    },

    publishAgent: async (runtime: object = {}): Promise<string> => {
      const id = randomUUID();
      await pool.query(`insert into agents (id, name, version, runtime) values ($1, 'a', '1', $2)`, [
        id,
        { kind: 'process', ...runtime },
      ]);
      return id;
    },

    insertInstance: async (agentId: string = randomUUID()): Promise<string> => {
      const id = randomUUID();
      await pool.query('insert into instances (id, agent_id, user_id) values ($1, $2, $1)', [id, agentId]);
      return id;
    },

    place: (instanceId: string, wish: { labels?: Record<string, string>; replaceAfterSeconds?: number } = {}) =>
      placeInstance(pool, { instanceId, runtime: 'process', labels: {}, replaceAfterSeconds: null, ...wish }),

    /** As the workflow of the instance records it. */
    record: async (instanceId: string, status: string, code?: string): Promise<void> => {
      const reason = code === undefined ? null : { code, message: code };
      await pool.query('select record_instance_status($1, $2, 1, $3, null)', [instanceId, status, reason]);
    },

    /** As if the lease of the host had run out so many seconds ago. */
    lose: async (id: string, seconds = 0): Promise<void> => {
      await pool.query('update hosts set lease_until = clock_timestamp() - make_interval(secs => $2) where id = $1', [
        id,
        seconds,
      ]);
    },
  };
}
