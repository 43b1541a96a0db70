import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventTypes } from '../../../contracts/names.ts';
import { topology } from '../../../contracts/topology.ts';

/** `npm run contracts:new-event -- agent.renamed` writes the file of a new event. The compiler then names what is left to do. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const [type = ''] = process.argv.slice(2);

try {
  addEvent(type);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

function addEvent(name: string): void {
  const [, domain = '', past = ''] = /^([a-z]+)\.([a-z]+(?:_[a-z]+)*)$/.exec(name) ?? [];
  if (!past) throw new Error('Name the event as <what>.<what happened to it>, e.g. agent.renamed');
  if (eventTypes.some((known) => known === name)) throw new Error(`${name} is in the catalog already`);
  const file = `contracts/events/${name.replaceAll(/[._]/g, '-')}.ts`;
  if (existsSync(root + file)) throw new Error(`${file} is there already`);
  const constant = name.replaceAll(/[._]([a-z])/g, (_, letter: string) => letter.toUpperCase());

  writeFileSync(root + file, template({ name, domain, past, constant, consumers: consumersOf(name, domain) }));
  edit('contracts/names.ts', '] as const;\nexport type EventType', (end) => `  '${name}',\n${end}`);
  edit('contracts/catalog.ts', '} as const satisfies', (end) => `  '${name}': ${constant},\n${end}`);
  edit(
    'contracts/catalog.ts',
    'import type { EventDefinition }',
    (next) => `import { ${constant} } from './events/${file.split('/').at(-1)}';\n${next}`,
  );
  execFileSync(
    'npx',
    ['prettier', '--write', '--log-level', 'warn', file, 'contracts/names.ts', 'contracts/catalog.ts'],
    {
      cwd: root,
    },
  );
  process.stdout.write(`${name} is in ${file} and in the catalog.
Next, as CONTRIBUTING.md says:
  1. write its fields, example and side effects in ${file}
  2. npx tsc                        names every consumer, and the test, that has to know of it
  3. npm run contracts:generate     brings the documents up to date and keeps its first version
  4. npm run contracts:test         the fast tests; then npm test
`);
}

/** The services whose queues are bound to the event, or to its whole domain. */
function consumersOf(name: string, domain: string): string[] {
  const queues = topology.queues.filter(
    ({ routingKeys }) => routingKeys.includes(name) || routingKeys.includes(`${domain}.*`),
  );
  return [...new Set(queues.flatMap(({ consumers }) => consumers))];
}

/** @throws Error when the file does not have the place exactly once */
function edit(path: string, place: string, change: (place: string) => string): void {
  const parts = readFileSync(root + path, 'utf8').split(place);
  if (parts.length !== 2) throw new Error(`${path} has no one place to write to: ${place}`);
  writeFileSync(root + path, parts.join(change(place)));
}

interface Template {
  name: string;
  domain: string;
  past: string;
  constant: string;
  consumers: string[];
}

function template({ name, domain, past, constant, consumers }: Template): string {
  return `import { z } from 'zod';
import { id, timestamp } from '../fields.ts';
import { firstVersion } from '../versions.ts';
import { defineEvent } from './define-event.ts';

export const ${constant} = defineEvent({
  type: '${name}',
  source: '${domain === 'agent' ? '/admin_backend/agents' : `/shared_psql/${domain}s`}',
  published: 'after the ${domain} was ${past}.',
  sideEffects: {
${consumers.map((consumer) => `    ${consumer}: '${consumer === 'admin_backend' ? 'audit.' : 'TODO: what it does.'}',`).join('\n')}
  },
  versions: firstVersion({
    schema: z.object({
      ${domain}_id: id('The ${domain}.'),
      ${past}_at: timestamp('When.'),
    }),
    example: {
      ${domain}_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
      ${past}_at: '2025-01-01T12:00:00.000Z',
    },
  }),
});
`;
}
