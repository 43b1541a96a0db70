import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { z } from 'zod';
import { once } from 'node:events';
import type { AgentPush } from '../../bridge/published-events.ts';
import { supervise, type FatalError, type Session, type Supervised } from '../../bridge/supervise.ts';
import { id, timestamp } from '../../contracts/fields.ts';

export const catalogAgent = z
  .object({
    id: id('The agent.'),
    name: z.string().meta({ description: 'For people.' }),
    version: z.string(),
    capabilities: z.array(z.string()).meta({ description: 'What it can do.' }),
    retired_at: timestamp('Since when no further instance can use it.').nullable(),
  })
  .meta({ id: 'CatalogAgent' });
export type CatalogAgent = z.infer<typeof catalogAgent>;

export interface AgentCatalog extends Supervised {
  /** By name, then version. */
  list(): CatalogAgent[];
  find(agentId: string): CatalogAgent | undefined;
  /** Learns what an event says, unless something newer is known. */
  apply(event: AgentPush): void;
}

interface Known {
  agent: CatalogAgent;
  sequence: number;
}

/** What there is to be run, in memory: read once, and kept fresh by the events of agents. */
export function startAgentCatalog(options: {
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}): AgentCatalog {
  const { pool, logger, onFatal } = options;
  const known = new Map<string, Known>();
  const learn = (agent: CatalogAgent, sequence: number): void => {
    if ((known.get(agent.id)?.sequence ?? -1) < sequence) known.set(agent.id, { agent, sequence });
  };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    for (const { sequence, ...agent } of await readAgents(pool)) learn(agent, Number(sequence));
    ready();
    if (!signal.aborted) await once(signal, 'abort');
  };
  const supervised = supervise({ name: 'agent_catalog', logger, run, onFatal });

  return {
    ...supervised,
    list: () => [...known.values()].map(({ agent }) => agent).toSorted(byName),
    find: (agentId) => known.get(agentId)?.agent,
    apply: ({ type, body, metadata: { sequence } }) => {
      switch (type) {
        case 'agent.published': {
          const { agent_id: agentId, name, version, capabilities } = body;
          learn({ id: agentId, name, version, capabilities, retired_at: null }, sequence);
          return;
        }
        case 'agent.retired': {
          // Of one that is not known yet, the rows tell.
          const agent = known.get(body.agent_id)?.agent;
          if (agent) learn({ ...agent, retired_at: body.retired_at }, sequence);
        }
      }
    },
  };
}

async function readAgents(pool: Pool): Promise<(CatalogAgent & { sequence: string })[]> {
  const { rows } = await pool.query<CatalogAgent & { sequence: string }>(
    `select id, name, version, capabilities,
       to_char(retired_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as retired_at, sequence from agents`,
  );
  return rows;
}

function byName(one: CatalogAgent, other: CatalogAgent): number {
  return one.name.localeCompare(other.name, 'en') || one.version.localeCompare(other.version, 'en', { numeric: true });
}
