import type { Client } from 'pg';
import { CommandError } from './command-error.ts';
import { toIdPrefix } from './ids.ts';

interface AgentView {
  id: string;
  name: string;
  version: string;
  retired: boolean;
}

/** Finds the agents with that name or with an id that begins like that. */
async function findAgents(client: Client, idOrName: string): Promise<AgentView[]> {
  const prefix = toIdPrefix(idOrName);
  const { rows } = await client.query<AgentView>(
    `select id, name, version, retired_at is not null as retired from agents
     where name = $1 or id between $2 and $3 order by created_at`,
    [idOrName, prefix?.lowest ?? null, prefix?.highest ?? null],
  );
  return rows;
}

/** Ids of all agents that fit. A complete id need not be published. @throws CommandError when nothing fits */
export async function findAgentIds(client: Client, idOrName: string): Promise<string[]> {
  const found = await findAgents(client, idOrName);
  if (found.length > 0) return found.map(({ id }) => id);
  const prefix = toIdPrefix(idOrName);
  // Instances may exist before their agent is published.
  if (prefix?.complete) return [prefix.text];
  throw new CommandError(`No agent has the id or name ${idOrName}.`);
}

/** Chooses the agent of a new instance and returns its id. @throws CommandError when no agent or several agents fit */
export async function chooseAgent(client: Client, idOrName: string): Promise<string> {
  const found = await findAgents(client, idOrName);
  const available = found.filter(({ retired }) => !retired);
  const [agent, ...others] = available.length > 0 ? available : found;
  if (!agent) {
    const prefix = toIdPrefix(idOrName);
    // The creation refuses it, and says so.
    if (prefix?.complete) return prefix.text;
    throw new CommandError(`No agent has the id or name ${idOrName}. Publish it first (see examples/README.md).`);
  }
  if (others.length > 0) {
    const all = [agent, ...others].map(({ id, name, version }) => `${id} (${name} ${version})`).join(', ');
    throw new CommandError(`Several agents fit ${idOrName}: ${all}. Give the id of one.`);
  }
  return agent.id;
}
