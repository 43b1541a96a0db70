import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { openPool } from '../../../workers/services/open-pool.ts';
import type { Rig } from '../rig.ts';

/** A commit that PostgreSQL has acknowledged. */
export interface Write {
  /** When it was acknowledged, in milliseconds. */
  at: number;
  instanceId: string;
  change: Change;
  /** The n-th change of what the instance is to be, which is its generation. */
  generation: number;
}

type Change = 'insert' | 'configure' | 'stop' | 'start' | 'delete';

/** What users have told of an instance, and what they want of it now. */
export interface Wish {
  instanceId: string;
  generation: number;
  desiredState: 'running' | 'stopped' | 'deleted';
}

export type Users = ReturnType<typeof startUsers>;

/** The life of an instance, again and again. */
const life: readonly Change[] = ['configure', 'stop', 'start', 'configure', 'configure', 'stop', 'start', 'delete'];

/**
 * Users who change their instances all the time. A write without an answer is repeated until it has one, and then changes nothing twice.
 * A user whose instance is gone although it was acknowledged begins with another one.
 */
export function startUsers(rig: Rig, { agentId, users = 4, pauseMs = 250 }: UsersOptions) {
  // The limits of the engine's own connections, because a server that stands still never answers.
  const pool = openPool({
    databaseUrl: rig.environment.DATABASE_URL,
    service: 'users',
    logger: pino({ level: 'silent' }),
    max: users,
  });
  const writes: Write[] = [];
  const wishes = new Map<string, Wish>();
  const ended = new AbortController();

  /** @returns the number of rows, or undefined if the users ended before there was an answer */
  const write = async (statement: string, values: unknown[]): Promise<number | undefined> => {
    while (!ended.signal.aborted) {
      try {
        return (await pool.query(statement, values)).rowCount ?? 0;
      } catch {
        await delay(50);
      }
    }
    return undefined;
  };
  const acknowledge = (instanceId: string, change: Change, wish: Wish): void => {
    writes.push({ at: Date.now(), instanceId, change, generation: wish.generation });
    wishes.set(instanceId, wish);
  };
  const live = async (): Promise<void> => {
    const instanceId = randomUUID();
    let wish: Wish = { instanceId, generation: 1, desiredState: 'running' };
    const inserted = await write(
      `insert into instances (id, agent_id, user_id, config) values ($1, $2, $1, '{"generation": 1}') on conflict (id) do nothing`,
      [instanceId, agentId],
    );
    // The outcome of a write that was given up is not known.
    if (inserted === undefined) return;
    acknowledge(instanceId, 'insert', wish);
    for (const change of life) {
      await delay(pauseMs, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted) return;
      wish = next(wish, change);
      const count = await write(...statementOf(change, wish));
      if (count === undefined) {
        wishes.delete(instanceId);
        return;
      }
      if (count === 0 && change !== 'delete') return;
      acknowledge(instanceId, change, wish);
    }
  };
  const use = async (): Promise<void> => {
    while (!ended.signal.aborted) await live();
  };
  const using = Promise.all(Array.from({ length: users }, use));

  return {
    writes: writes as readonly Write[],
    /** By the id of the instance, for each instance whose last write was acknowledged. */
    wishes: wishes as ReadonlyMap<string, Wish>,
    stop: async (): Promise<void> => {
      ended.abort();
      await using;
      await pool.end();
    },
  };
}

interface UsersOptions {
  agentId: string;
  users?: number;
  /** Between two writes of a user. */
  pauseMs?: number;
}

function next({ instanceId, generation, desiredState }: Wish, change: Change): Wish {
  switch (change) {
    case 'insert':
    case 'configure':
      return { instanceId, generation: generation + 1, desiredState };
    case 'stop':
      return { instanceId, generation: generation + 1, desiredState: 'stopped' };
    case 'start':
      return { instanceId, generation: generation + 1, desiredState: 'running' };
    case 'delete':
      return { instanceId, generation, desiredState: 'deleted' };
  }
}

/** A statement that changes nothing when it is repeated. */
function statementOf(change: Change, { instanceId, generation, desiredState }: Wish): [string, unknown[]] {
  if (change === 'delete') return ['delete from instances where id = $1', [instanceId]];
  if (change === 'configure') {
    return ['update instances set config = $2 where id = $1', [instanceId, { generation }]];
  }
  return ['update instances set desired_state = $2 where id = $1', [instanceId, desiredState]];
}

/** How long the workflow of the instance took to bring about what the write asks for, in milliseconds; undefined if it has not yet. */
export function waitOf({ bus }: Rig, { at, instanceId, generation }: Write): number | undefined {
  const observed = bus.of(instanceId).find(({ headers }) => Number(headers['observed_generation']) >= generation);
  return observed && Math.max(0, observed.at - at);
}

/** The longest time between two neighbours, in milliseconds. */
export function longestGap(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.round(Math.max(0, ...sorted.slice(1).map((time, index) => time - (sorted[index] ?? time))));
}
