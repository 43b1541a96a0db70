import { closeSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeUnavailable } from '../runtime.ts';
import { identify, isAlive } from './process-table.ts';
import { createFile, remove } from './safe-files.ts';

/** Another living process works on the instance. */
export class AtWorkElsewhere extends RuntimeUnavailable {}

const turns = new Map<string, Promise<unknown>>();

/**
 * Runs work on one instance exclusively. The claims of one kind of work are files in one folder. Calls within this process wait for each other; a claim excludes the other worker
 * processes of this host.
 * @throws AtWorkElsewhere while another living process works on the instance
 */
export async function exclusively<T>(claims: string, name: string, work: () => Promise<T>): Promise<T> {
  const key = join(claims, name);
  const previous = turns.get(key);
  const turn = (async () => {
    await previous?.catch(() => undefined);
    return withClaim(claims, name, work);
  })();
  turns.set(key, turn);
  try {
    return await turn;
  } finally {
    if (turns.get(key) === turn) turns.delete(key);
  }
}

/**
 * A claim is an empty file whose name identifies the process that holds it. Each process first writes its own claim and then
 * looks for others, so at least one of two competing processes sees the other and gives up. The claim of a process that has
 * ended is void.
 */
async function withClaim<T>(claims: string, name: string, work: () => Promise<T>): Promise<T> {
  const self = identify(process.pid);
  if (!self) throw new RuntimeUnavailable('This process is not in its own process table. Check that /proc is mounted.');
  const own = `${name}.${self.pid}.${encodeURIComponent(self.startedAt)}`;
  mkdirSync(claims, { recursive: true, mode: 0o700 });
  closeSync(await createFile(join(claims, own)));
  try {
    const others = readdirSync(claims).filter((claim) => claim.startsWith(`${name}.`) && claim !== own);
    await Promise.all(others.map((claim) => dismiss(claims, claim)));
    return await work();
  } finally {
    await remove(join(claims, own));
  }
}

async function dismiss(claims: string, claim: string): Promise<void> {
  const [name, pid, startedAt] = claim.split('.');
  const found = identify(Number(pid));
  // Anybody may have created the file, so its name is compared and not decoded.
  if (found && encodeURIComponent(found.startedAt) === startedAt && isAlive(found)) {
    throw new AtWorkElsewhere(
      `Another worker (pid ${pid}) is working on ${name}. The call succeeds once that worker is done.`,
    );
  }
  await remove(join(claims, claim));
}
