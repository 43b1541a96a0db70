import type { Pool } from 'pg';
import { hostToJson, type HostJson } from '../../../database/hosts/host-json.ts';
import * as hosts from '../../../database/hosts/hosts.ts';
import { notFound, ProblemError } from '../../http/problem.ts';

/** Sorted by name. */
export async function listHosts(pool: Pool): Promise<HostJson[]> {
  return (await hosts.listHosts(pool)).map(hostToJson);
}

/** Repeated, it changes how many instances move at once. @throws ProblemError if there is no such host */
export async function drainHost(pool: Pool, id: string, atOnce: number): Promise<HostJson> {
  return orNotFound(await hosts.drainHost(pool, id, atOnce), id);
}

/** @throws ProblemError if there is no such host */
export async function undrainHost(pool: Pool, id: string): Promise<HostJson> {
  return orNotFound(await hosts.undrainHost(pool, id), id);
}

/** @returns the host as it was. @throws ProblemError if there is no such host, or it is not lost */
export async function forgetHost(pool: Pool, id: string): Promise<HostJson> {
  const host = (await listHosts(pool)).find((listed) => listed.id === id);
  const outcome = host ? await hosts.forgetHost(pool, id) : 'gone';
  if (!host || outcome === 'gone') throw notFound(`host ${id}`);
  if (outcome === 'forgotten') return host;
  const detail = 'The lease of the host holds. End its agents_worker first, or drain the host.';
  throw new ProblemError(409, 'host_not_lost', detail);
}

function orNotFound(host: hosts.Host | undefined, id: string): HostJson {
  if (!host) throw notFound(`host ${id}`);
  return hostToJson(host);
}
