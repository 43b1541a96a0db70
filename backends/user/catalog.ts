import type { Pool } from 'pg';
import { ProblemError } from '../http/problem.ts';
import { withTimesAsText } from '../http/times.ts';
import type { CatalogAgent } from './schemas.ts';

export interface Catalog {
  /** Reads all agents. @throws the database's error; the agents that were read before are kept */
  reload(): Promise<void>;
  /**
   * Reads the agent of an `agent.published` or `agent.retired` again. A late or repeated event does no harm.
   *
   * @throws the database's error
   */
  apply(event: { body: { agent_id: string } }): Promise<void>;
  /** Sorted by name. @throws ProblemError before the first load */
  list(options: { includeRetired: boolean }): CatalogAgent[];
  /** @throws ProblemError before the first load */
  find(id: string): CatalogAgent | undefined;
}

interface Row extends Omit<CatalogAgent, 'retired_at'> {
  retired_at: Date | null;
}

const select = 'select id, name, version, stable_version, capabilities, retired_at from agents';

/** Keeps all agents in memory, so that listing them needs no query. The copy may lag behind the table. */
export function createCatalog({ pool }: { pool: Pool }): Catalog {
  let agents: Map<string, CatalogAgent> | undefined;
  let previous: Promise<void> = Promise.resolve();
  // Reads run one after the other, so that an older result cannot replace a newer one.
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = previous.then(work);
    previous = done.catch(() => undefined);
    return done;
  };
  const loaded = (): Map<string, CatalogAgent> => {
    if (agents) return agents;
    throw new ProblemError(503, 'unavailable', 'The agents have not been read yet. Try again.', {
      retryAfterSeconds: 5,
    });
  };

  return {
    reload: () =>
      inTurn(async () => {
        const { rows } = await pool.query<Row>(select);
        agents = new Map(rows.map((row) => [row.id, withTimesAsText(row)]));
      }),
    apply: ({ body: { agent_id: id } }) =>
      inTurn(async () => {
        const { rows } = await pool.query<Row>(`${select} where id = $1`, [id]);
        agents?.delete(id);
        if (rows[0]) agents?.set(id, withTimesAsText(rows[0]));
      }),
    list: ({ includeRetired }) =>
      [...loaded().values()]
        .filter(({ retired_at: retiredAt }) => includeRetired || retiredAt === null)
        .toSorted((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id)),
    find: (id) => loaded().get(id.toLowerCase()),
  };
}
