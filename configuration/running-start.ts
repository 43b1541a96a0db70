import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Configuration } from './configuration.ts';

/** The file in which `npm start` notes the servers that it runs, as variables of the environment. */
const fileName = 'servers.json';
const defaultDirectory = fileURLToPath(new URL('../.stack/dev', import.meta.url));

const runningStart = z.object({ pid: z.int().positive(), environment: z.record(z.string(), z.string()) });

/** @returns a function that removes the note */
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
  // The URLs may hold passwords, and a token of any user can be signed with the secret.
  await writeFile(file, JSON.stringify(note, undefined, 2), { mode: 0o600 });
  return () => rm(file, { force: true });
}

/** Undefined when no `npm start` runs. One that was killed leaves its note behind, so its process is looked for. */
export function readRunningStart(directory: string = defaultDirectory): Record<string, string> | undefined {
  try {
    const { pid, environment } = runningStart.parse(JSON.parse(readFileSync(resolve(directory, fileName), 'utf8')));
    process.kill(pid, 0);
    return environment;
  } catch {
    return undefined;
  }
}
