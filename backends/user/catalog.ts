import type { Pool } from 'pg';
import { ProblemError } from '../http/problem.ts';
import type { CatalogAgent } from './schemas.ts';

export interface Catalog {
  /** Of all agents, from the table. @throws when the database is away; what was known stays */
  reload(): Promise<void>;
  /**
   * Refreshes the agent of an `agent.published` or `agent.retired` from its row: what came late or twice does no harm.
   *
   * @throws when the database is away
   */
  apply(event: { body: { agent_id: string } }): Promise<void>;
  /** By name. @throws ProblemError before the first load */
  list(options: { includeRetired: boolean }): CatalogAgent[];
  /** @throws ProblemError before the first load */
  find(id: string): CatalogAgent | undefined;
}

interface Row extends Omit<CatalogAgent, 'retired_at'> {
  retired_at: Date | null;
}

const select = 'select id, name, version, capabilities, retired_at from agents';

/** The agents as this process knows them: it may lag behind the table, but lists cost no query. */
export function createCatalog({ pool }: { pool: Pool }): Catalog {
  let agents: Map<string, CatalogAgent> | undefined;
  let previous: Promise<void> = Promise.resolve();
  // One after the other: an older reading must not replace a newer one.
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = previous.then(work);
    previous = done.catch(() => undefined);
    return done;
  };
  const loaded = (): Map<string, CatalogAgent> => {
    if (agents) return agents;
    throw new ProblemError(503, 'unavailable', 'The agents are not known yet. Try again.', { retryAfterSeconds: 5 });
  };

  return {
    reload: () =>
      inTurn(async () => {
        const { rows } = await pool.query<Row>(select);
        agents = new Map(rows.map((row) => [row.id, toAgent(row)]));
      }),
    apply: ({ body: { agent_id: id } }) =>
      inTurn(async () => {
        const { rows } = await pool.query<Row>(`${select} where id = $1`, [id]);
        agents?.delete(id);
        if (rows[0]) agents?.set(id, toAgent(rows[0]));
      }),
    list: ({ includeRetired }) =>
      [...loaded().values()]
        .filter(({ retired_at: retiredAt }) => includeRetired || retiredAt === null)
        .toSorted((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id)),
    find: (id) => loaded().get(id.toLowerCase()),
  };
}

function toAgent({ retired_at: retiredAt, ...row }: Row): CatalogAgent {
  return { ...row, retired_at: retiredAt?.toISOString() ?? null };
}
