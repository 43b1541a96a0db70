import type { Client } from 'pg';
import { listHosts, type Host } from '../database/hosts/hosts.ts';
import { CommandError } from './command-error.ts';
import { toIdPrefix } from './ids.ts';
import { plainLine } from './plain-text.ts';

/** Finds the only host with that name, or with an id that begins like that. @throws CommandError when none or several fit */
export async function resolveHost(client: Client, typed: string): Promise<Host> {
  const prefix = toIdPrefix(typed)?.text;
  const fits = ({ id, name }: Host): boolean => name === typed || (prefix !== undefined && id.startsWith(prefix));
  const [host, ...others] = (await listHosts(client)).filter(fits);
  if (!host) throw new CommandError(`No host has the id or name ${typed}. See npx instances hosts list.`);
  if (others.length === 0) return host;
  const all = [host, ...others].map(({ id, name, runtime }) => `${id} (${plainLine(name)}, ${runtime})`).join(', ');
  throw new CommandError(`Several hosts fit ${typed}: ${all}. Give the id of one.`);
}
