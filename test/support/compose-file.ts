import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';

const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  container_name: z.string().optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()).default([]),
});
export type Service = z.infer<typeof service>;

const file = new URL('../../docker-compose.yml', import.meta.url);
const required = /\$\{(\w+):?\?.*?\}/g;

export const readComposeText = (): Promise<string> => readFile(file, 'utf8');

/** The variables without which docker-compose.yml is refused. */
export async function readRequiredVariables(): Promise<string[]> {
  return [...new Set([...(await readComposeText()).matchAll(required)].map(([, name = '']) => name))];
}

/** What stands for the value of a required variable below. */
export const givenValueOf = (name: string): string => `value-of-${name.toLowerCase()}`.padEnd(32, '-');

/** The services of docker-compose.yml as they are when the environment sets the required variables alone. */
export async function readComposeFile(): Promise<Record<string, Service>> {
  const text = (await readComposeText())
    .replaceAll(/\$\{\w+:?-(.*?)\}/g, '$1')
    .replaceAll(required, (_, name: string) => givenValueOf(name));
  return z.object({ services: z.record(z.string(), service) }).parse(parse(text, { merge: true })).services;
}
