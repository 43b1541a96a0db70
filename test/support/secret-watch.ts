import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Secrets with a name each, and the places where they were found. */
export function createSecretWatch() {
  const secrets = new Map<string, string>();
  const found = new Map<string, Set<string>>();

  return {
    add(name: string, secret: string): string {
      secrets.set(name, secret);
      return secret;
    },

    /** Notes which secrets are in the text of a place. */
    look(place: string, text: string): void {
      for (const [name, secret] of secrets) {
        if (text.includes(secret)) found.set(place, (found.get(place) ?? new Set()).add(name));
      }
    },

    /** Names of the secrets that were found, by place. */
    found: (): Record<string, string[]> =>
      Object.fromEntries([...found].map(([place, names]) => [place, [...names].toSorted()])),
  };
}

export type SecretWatch = ReturnType<typeof createSecretWatch>;

/** Command lines of all processes of this machine, as everybody on it sees them. */
export async function readCommandLines(): Promise<string> {
  if (process.platform !== 'linux') return (await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args'])).stdout;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.map((line) => line.replaceAll('\0', ' ')).join('\n');
}
