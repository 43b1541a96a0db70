import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';

export interface LoadOptions {
  /** Connections of the owner of shared_psql, which outlive a change of the server behind their address. */
  pool: Pick<Pool, 'query'>;
  /** The agent that the instances run. */
  agentId: string;
  /** Owner of all instances, so that one client of live updates gets all of their events. */
  userId: string;
  /** Instances that begin their life each second. Each causes about six events. */
  perSecond?: number;
}

export interface Load {
  /** Instances whose row is to be there in the end. */
  readonly kept: ReadonlySet<string>;
  /** Instances whose row was deleted. */
  readonly deleted: ReadonlySet<string>;
  /** Adds an instance that is kept, and returns its id. */
  keep(): Promise<string>;
  /** How often a write failed. Each was tried again until it succeeded. */
  readonly failedWrites: number;
  /** Begins no further life, and resolves once each that has begun is over. Further calls wait for the first one. */
  stop(): Promise<void>;
}

/** Between two steps of a life. */
const pauseMs = 1_500;
const retryMs = 250;

/**
 * Creates, changes and deletes instances at a steady rate: each gets another config while it runs, and three of four are then deleted.
 * Every statement can be repeated, so a write whose answer was lost is tried again.
 */
export function startLoad({ pool, agentId, userId, perSecond = 2 }: LoadOptions): Load {
  const kept = new Set<string>();
  const deleted = new Set<string>();
  const lives = new Set<Promise<void>>();
  const ended = new AbortController();
  let failedWrites = 0;

  const write = async (text: string, values: unknown[]): Promise<void> => {
    for (;;) {
      try {
        await pool.query(text, values);
        return;
      } catch {
        failedWrites += 1;
        await delay(retryMs);
      }
    }
  };
  const insert = async (): Promise<string> => {
    const id = randomUUID();
    const text = 'insert into instances (id, agent_id, user_id) values ($1, $2, $3) on conflict (id) do nothing';
    await write(text, [id, agentId, userId]);
    return id;
  };
  const live = async (isKept: boolean): Promise<void> => {
    const id = await insert();
    await delay(pauseMs);
    await write('update instances set config = $2 where id = $1', [id, { changed: true }]);
    await delay(pauseMs);
    if (isKept) {
      kept.add(id);
      return;
    }
    await write('delete from instances where id = $1', [id]);
    deleted.add(id);
  };
  const begin = async (): Promise<void> => {
    for (let count = 1; !ended.signal.aborted; count += 1) {
      const life = live(count % 4 === 0).finally(() => lives.delete(life));
      lives.add(life);
      await delay(1_000 / perSecond, undefined, { signal: ended.signal }).catch(() => undefined);
    }
    await Promise.all(lives);
  };
  const over = begin();

  return {
    kept,
    deleted,
    keep: async () => {
      const id = await insert();
      kept.add(id);
      return id;
    },
    get failedWrites() {
      return failedWrites;
    },
    stop: () => {
      ended.abort();
      return over;
    },
  };
}
