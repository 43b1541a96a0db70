import type { ClientBase } from 'pg';
import type { Queryable } from '../instances/view.ts';

/** The versions of an agent as people publish and see them. */

export interface AgentVersion {
  version: string;
  capabilities: string[];
  published_at: Date;
  withdrawn_at: Date | null;
  withdrawn_reason: string | null;
  is_newest: boolean;
  is_stable: boolean;
  /** Number of instances that are to run it. */
  instances: number;
  /** Number of instances that run it. */
  running: number;
}

/** A version that cannot be published. The message says what to do. */
export class VersionRefused extends Error {
  override name = 'VersionRefused';
  readonly code: 'version_exists' | 'version_withdrawn';

  constructor(code: VersionRefused['code']) {
    super(refusals[code]);
    this.code = code;
  }
}

export const refusals: Readonly<Record<VersionRefused['code'], string>> = {
  version_exists:
    'This version was published before with another runtime or other capabilities. Publish them under another version.',
  version_withdrawn: 'This version was withdrawn and cannot be published again. Publish another version.',
};

/** Without `runtime`, which may hold secrets. */
const selectVersions = `
  select v.version, v.capabilities, v.published_at, v.withdrawn_at, v.withdrawn_reason,
    v.version = a.version as is_newest, v.version = a.stable_version as is_stable,
    (select count(*)::int from instances i where i.agent_id = v.agent_id and i.agent_version = v.version) as instances,
    (select count(*)::int from instances i where i.agent_id = v.agent_id and i.running_version = v.version) as running
  from agent_versions v join agents a on a.id = v.agent_id where v.agent_id = $1`;

/** Lists the newest first. @returns undefined if there is no such agent */
export async function listVersions(database: Queryable, agentId: string): Promise<AgentVersion[] | undefined> {
  const order = 'order by v.published_at desc, v.version';
  const { rows } = await database.query<AgentVersion>(`${selectVersions} ${order}`, [agentId]);
  return rows.length > 0 ? rows : undefined;
}

export interface NewVersion {
  version: string;
  /** Those of the newest version if they are left out. */
  capabilities?: readonly string[] | undefined;
  runtime: object;
}

/**
 * Publishes a version, unless it was published with the same content before. Needs a client within a transaction.
 *
 * @returns undefined if there is no such agent
 * @throws VersionRefused; the database's error if it refuses the row
 */
export async function publishVersion(
  client: ClientBase,
  agentId: string,
  { version, capabilities, runtime }: NewVersion,
): Promise<{ isNew: boolean; version: AgentVersion } | undefined> {
  const { rowCount } = await client.query('select from agents where id = $1 for no key update', [agentId]);
  if (rowCount === 0) return undefined;
  const content = [capabilities && JSON.stringify(capabilities), JSON.stringify(runtime)];
  const { rows } = await client.query<{ same: boolean; withdrawn: boolean }>(
    `select capabilities = coalesce($3, capabilities) and runtime = $4 as same, withdrawn_at is not null as withdrawn
     from agent_versions where agent_id = $1 and version = $2`,
    [agentId, version, ...content],
  );
  const [known] = rows;
  if (known?.withdrawn) throw new VersionRefused('version_withdrawn');
  if (known?.same === false) throw new VersionRefused('version_exists');
  if (!known) {
    await client.query(
      'update agents set version = $2, capabilities = coalesce($3, capabilities), runtime = $4 where id = $1',
      [agentId, version, ...content],
    );
  }
  const published = await client.query<AgentVersion>(`${selectVersions} and v.version = $2`, [agentId, version]);
  return published.rows[0] && { isNew: !known, version: published.rows[0] };
}
