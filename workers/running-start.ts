import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Configuration } from '../configuration/configuration.ts';

/** Where `npm start` says which servers it runs, as variables of the environment. */
const fileName = 'servers.json';
const usualDirectory = fileURLToPath(new URL('../.stack/dev', import.meta.url));

const runningStart = z.object({ pid: z.int().positive(), environment: z.record(z.string(), z.string()) });

/** @returns what takes the note away again */
export async function noteRunningStart(
  directory: string,
  { databaseUrl, amqpUrl, temporal, runtimeVariables, http: { tokens } }: Configuration,
): Promise<() => Promise<void>> {
  const file = resolve(directory, fileName);
  const note: z.infer<typeof runningStart> = {
    pid: process.pid,
    environment: {
      DATABASE_URL: databaseUrl,
      AMQP_URL: amqpUrl,
      ...(temporal.connection.address && { TEMPORAL_ADDRESS: temporal.connection.address }),
      TEMPORAL_NAMESPACE: temporal.namespace,
      ...runtimeVariables,
      ...(tokens && 'secret' in tokens.key && { JWT_SECRET: tokens.key.secret }),
    },
  };
  await rm(file, { force: true });
  // The URLs may hold passwords, and whoever has the secret of the tokens can be anybody.
  await writeFile(file, JSON.stringify(note, undefined, 2), { mode: 0o600 });
  return () => rm(file, { force: true });
}

/** Undefined when no `npm start` runs; one that was killed leaves a note, but no process. */
export function readRunningStart(directory: string = usualDirectory): Record<string, string> | undefined {
  try {
    const { pid, environment } = runningStart.parse(JSON.parse(readFileSync(resolve(directory, fileName), 'utf8')));
    process.kill(pid, 0);
    return environment;
  } catch {
    return undefined;
  }
}
