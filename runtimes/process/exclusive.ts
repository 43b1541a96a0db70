import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeUnavailable } from '../runtime.ts';
import { identify, isAlive } from './process-table.ts';
import { createFile } from './safe-files.ts';

const turns = new Map<string, Promise<unknown>>();

/**
 * Runs work on one instance while nobody else does: calls within this process wait for each other, and the claim
 * keeps other worker processes of this host out.
 * @throws RuntimeUnavailable while another living process works on the instance
 */
export async function exclusively<T>(directory: string, name: string, work: () => Promise<T>): Promise<T> {
  const key = join(directory, name);
  const previous = turns.get(key);
  const turn = (async () => {
    await previous?.catch(() => undefined);
    return withClaim(directory, name, work);
  })();
  turns.set(key, turn);
  try {
    return await turn;
  } finally {
    if (turns.get(key) === turn) turns.delete(key);
  }
}

/**
 * A claim is an empty file whose name says who holds it. Each side first writes its own and then looks for others, so
 * of two that meet at least one sees the other and steps back. The claim of a process that is gone counts for nothing.
 */
async function withClaim<T>(directory: string, name: string, work: () => Promise<T>): Promise<T> {
  const claims = join(directory, '.claims');
  const self = identify(process.pid);
  if (!self) throw new RuntimeUnavailable('This process cannot find itself in the process table: is /proc mounted?');
  const own = `${name}.${self.pid}.${encodeURIComponent(self.startedAt)}`;
  await mkdir(claims, { recursive: true, mode: 0o700 });
  await (await createFile(join(claims, own))).close();
  try {
    const others = (await readdir(claims)).filter((claim) => claim.startsWith(`${name}.`) && claim !== own);
    await Promise.all(others.map((claim) => dismiss(claims, claim)));
    return await work();
  } finally {
    await rm(join(claims, own), { force: true });
  }
}

async function dismiss(claims: string, claim: string): Promise<void> {
  const [name, pid, startedAt] = claim.split('.');
  const found = identify(Number(pid));
  // Names of claims may come from anywhere, so they are compared rather than decoded.
  if (found && encodeURIComponent(found.startedAt) === startedAt && isAlive(found)) {
    throw new RuntimeUnavailable(`Another worker (pid ${pid}) is working on ${name}; try again once it is done.`);
  }
  await rm(join(claims, claim), { recursive: true, force: true });
}
