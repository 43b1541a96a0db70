import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';

const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
});
export type Service = z.infer<typeof service>;

/** The services of docker-compose.yml as they are when the environment sets nothing. */
export async function readComposeFile(): Promise<Record<string, Service>> {
  const text = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
  const withDefaults = text.replaceAll(/\$\{\w+:?-(.*?)\}/g, '$1');
  return z.object({ services: z.record(z.string(), service) }).parse(parse(withDefaults, { merge: true })).services;
}
