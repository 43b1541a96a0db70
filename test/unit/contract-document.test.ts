import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { catalog } from '../../contracts/catalog.ts';
import { controlCommands } from '../../contracts/control-commands.ts';
import { reasonCodes } from '../../contracts/names.ts';
import { controlQueueOf, deadLetterQueueOf, topology, type QueueDefinition } from '../../contracts/topology.ts';

const page = readFileSync(new URL('../../docs/event-bus-contracts.md', import.meta.url), 'utf8');

/** In whatever order. */
const sorted = (lines: readonly unknown[]) => lines.map(String).toSorted((one, other) => one.localeCompare(other));

/** Up to the next heading. */
function section(heading: string): string {
  const [, text] = page.split(`\n${heading}\n`);
  if (text === undefined) throw new Error(`The page has no section ${heading}`);
  return text.split(/\n#+ /)[0] ?? '';
}

/** The cells of every table row of a section, without the marks of code. */
function rows(text: string): string[][] {
  const cellsOf = (line: string) => line.split('|').slice(1, -1);
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  return lines.map((line) => cellsOf(line).map((cell) => cell.trim().replaceAll('`', '')));
}

const described = ({ name, exchange, routingKeys, consumers }: QueueDefinition): string[] => [
  name,
  exchange,
  routingKeys.join(', '),
  consumers.join(', '),
];
const fieldsOf = (body: z.ZodObject) => Object.keys(body.shape).map((name) => `\`${name}\``);

test('the page lists every exchange and queue, with bindings and consumers, and no other', () => {
  const tables = rows(section('## Exchanges & Queues'));
  const exchanges = tables.filter(([, type]) => type === 'topic' || type === 'direct');
  expect(exchanges.map((cells) => cells.slice(0, 2))).toEqual(topology.exchanges.map(({ name, type }) => [name, type]));

  const names = new Set(topology.exchanges.map(({ name }) => name));
  const queues = tables.filter(([name = '', exchange = '']) => !name.startsWith('x-') && names.has(exchange));
  const letters = new Set(topology.queues.map(({ name }) => deadLetterQueueOf(name)));
  const domain = topology.queues.filter(({ name }) => !letters.has(name));
  expect(sorted(queues.map((cells) => cells.slice(0, 4)))).toEqual(sorted(domain.map(described)));
});

test('the page lists the arguments of every queue', () => {
  const table = rows(section('## Exchanges & Queues')).filter(([name = '']) => name.startsWith('x-'));
  const columns = ['reject-publish', 'drop-head', undefined];
  for (const { name, arguments: given } of topology.queues) {
    const column = columns.indexOf(given['x-overflow'] as string | undefined) + 1;
    const documented = table.map((cells) => [cells[0], cells[column]?.replace("the queue's name", name)]);
    const declared = Object.entries(given).map(([argument, value]) => [argument, value.toLocaleString('en-US')]);
    expect(sorted(documented.filter(([, value]) => value !== '')), `of ${name}`).toEqual(sorted(declared));
  }
});

test('the page lists the queue of an instance, with its arguments', () => {
  const queue = controlQueueOf({ instanceId: '<instance_id>', agentId: '<agent_id>' });
  const text = section('## Commands');
  expect(rows(text).map((cells) => cells.slice(0, 4))).toContainEqual(described(queue));
  for (const [argument, value] of Object.entries(queue.arguments)) expect(text).toContain(`\`${argument}: ${value}\``);
});

test.each(Object.entries(catalog))('the page describes %s', (type, { routingKey, consumers, body, schemaVersion }) => {
  const text = section(`### \`${type}\``);
  const point = (name: string) => new RegExp(`\\*\\*${name}:\\*\\* (.*)`).exec(text)?.[1] ?? '';
  expect(point('Routing key')).toBe(`\`${routingKey}\``);
  expect(
    point('Consumers')
      .match(/(?<=`)\w+(?=`)/g)
      ?.toSorted(),
  ).toEqual(consumers.toSorted());
  // What stands in brackets is about the field before it.
  expect(
    point('Payload')
      .replaceAll(/\(.*?\)/g, '')
      .match(/`\w+`/g),
  ).toEqual(fieldsOf(body));
  expect(section('## Event Catalog')).toContain(`All are version ${schemaVersion}.`);
});

test.each(Object.entries(controlCommands))('the page describes %s', (type, command) => {
  const text = section(`### \`${type}\``);
  expect(text).toContain(`Routing key: \`<${command.addressedTo}_id>\``);
  for (const field of fieldsOf(command.body)) expect(text).toContain(field);
  expect(section('## Commands')).toContain(`All are version ${command.schemaVersion}.`);
  expect(section('## Commands')).toContain(`\`${command.source}\``);
});

test('the page lists every reason of a status, and every event and command has a section', () => {
  const codes = rows(section('### `instance.updated`')).slice(2);
  expect(sorted(codes.map(([code]) => code))).toEqual(sorted(reasonCodes));
  const sections = [...page.matchAll(/^### `([^`]+)`$/gm)].map(([, name]) => name);
  expect(sections).toEqual([...Object.keys(catalog), ...Object.keys(controlCommands)]);
});
