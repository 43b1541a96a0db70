import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { accountNames, serviceNames } from '../../contracts/access.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { stopLimits } from '../../supervision/time-limits.ts';
import { table } from '../../tools/contracts/documents/markdown.ts';
import { fillSections } from '../../tools/contracts/documents/sections.ts';
import { chartFolder, leastValues, readChartFile, readProcesses, type Values } from '../support/chart.ts';
import { readersOf, schemaOf, settingsOf, valuesSchema, type Part, type Schema } from '../support/chart-schema.ts';
import { readComposeFile } from '../support/compose-file.ts';

const values = parse(await readChartFile('values.yaml')) as Record<string, Values>;
const { processes, jobs } = await readProcesses();
const parts = { ...processes, ...Object.fromEntries(jobs.map((job) => [job.name, job])) };
const services = await readComposeFile();

const formatFor = async (path: string, content: string): Promise<string> =>
  format(content, { ...(await resolveConfig(path)), filepath: path });

test("the schema of the chart's values is made of the settings; npm run chart:generate writes it", async () => {
  const path = `${chartFolder}values.schema.json`;
  await expect(await formatFor(path, JSON.stringify(valuesSchema))).toMatchFileSnapshot(path);
});

test('docs/kubernetes.md describes every value with its default; npm run chart:generate writes it', async () => {
  const path = new URL('../../docs/kubernetes.md', import.meta.url).pathname;
  const text = fillSections(path, await readFile(path, 'utf8'), { values: valueTables() });
  await expect(await formatFor(path, text)).toMatchFileSnapshot(path);
});

test('every default of the values is one that the schema allows, where what nobody can know is given', () => {
  const validate = new Ajv({ strict: false }).compile(valuesSchema);
  validate(merge(values, leastValues));
  expect(validate.errors).toBeNull();
  expect(validate(values)).toBe(false);
});

test.each(Object.entries(parts))('%s is run as in docker-compose.yml', (name, { command, values: key }) => {
  const service = services[{ migrations: 'migrate' }[name] ?? name];
  expect(command).toEqual(service?.command);
  expect(values[key]?.['secret']).toBe(`instance-engine-${name}`);
});

const passwords: Partial<Record<Part, string[]>> = {
  migrations: serviceNames.map((name) => passwordVariable(name, 'DATABASE')),
  topology: accountNames.map((name) => passwordVariable(name, 'AMQP')),
};
/** RabbitMQ is no server of the migrations, and PostgreSQL none of the topology. Commands for people alone read the others. */
const ofOthers: Partial<Record<Part, string[]>> = {
  migrations: ['AMQP_URL', 'TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA'],
  topology: ['DATABASE_URL', 'TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA'],
};

test.each(Object.entries(parts))('%s gets every secret that it reads', (_, { values: key, secrets }) => {
  const listed = [...secrets.required, ...secrets.optional, ...Object.keys(secrets.unlessSet)];
  const read = [...settingsOf(readersOf[key]).secret, ...(passwords[key] ?? [])];
  expect(listed.toSorted()).toEqual(read.filter((name) => !ofOthers[key]?.includes(name)).toSorted());
});

test('the least time that a pod may have to end is more than its process takes', () => {
  for (const { values: key } of Object.values(processes)) {
    const { minimum = 0 } = schemaOf(key, 'terminationGracePeriodSeconds');
    expect(minimum * 1_000).toBeGreaterThan(stopLimits.processMs);
  }
});

test('the version of the chart is that of the package', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(parse(await readChartFile('Chart.yaml'))).toMatchObject({ version, appVersion: version });
});

/** One table of the values of everything, and one of the values of processes and jobs. The README describes the single settings. */
function valueTables(): string {
  const members = (name: string, schema: Schema): Row[] =>
    rowsOf('', schema, values[name]).map((row) => ({ ...row, part: name }));
  const top = Object.entries(valuesSchema.properties ?? {}) as [string, Schema][];
  const ofAll = top.filter(([name]) => !isPart(name)).flatMap(([name, schema]) => rowsOf(name, schema, values[name]));
  const ofParts = top.filter(([name]) => isPart(name)).flatMap(([name, schema]) => members(name, schema));
  const alike = groupBy(ofParts, ({ name, meaning }) => `${name} ${meaning}`);
  return [
    table(
      ['value', 'meaning', 'default'],
      ofAll.map(({ name, meaning, value }) => [`\`${name}\``, meaning, value]),
    ),
    'The members of `eventBroker`, `agentsWorker`, `userBackend`, `adminBackend`, `deployer` and of the jobs `migrations` and `topology`:',
    table(
      ['value', 'of', 'meaning', 'default'],
      [...alike.values()].map((rows) => [
        `\`${rows[0]?.name}\``,
        ownersOf(rows),
        rows[0]?.meaning ?? '',
        defaultsOf(rows),
      ]),
    ),
  ].join('\n\n');
}

interface Row {
  name: string;
  meaning: string;
  value: string;
  part?: string;
}

const isPart = (name: string): boolean => name in readersOf;

function ownersOf(rows: readonly Row[]): string {
  if (rows.length === Object.keys(parts).length) return 'all';
  if (
    rows.length === Object.keys(processes).length &&
    rows.every(({ part }) => !jobs.some(({ name }) => name === part))
  ) {
    return 'processes';
  }
  return rows.map(({ part }) => `\`${part}\``).join(', ');
}

function defaultsOf(rows: readonly Row[]): string {
  const alike = groupBy(rows, ({ value }) => value);
  if (alike.size === 1) return rows[0]?.value ?? '';
  return [...alike].map(([value, owners]) => `${owners.map(({ part }) => part).join(', ')}: ${value}`).join('; ');
}

/** A map whose members are named by the schema has a row for each, but for settings. */
function rowsOf(name: string, schema: Schema, value: unknown): Row[] {
  const { properties, additionalProperties, description = '' } = schema;
  const isOfSettings = properties !== undefined && 'DATABASE_CA_FILE' in properties;
  if (!properties || additionalProperties !== false || isOfSettings)
    return [{ name, meaning: description, value: show(value) }];
  return Object.entries(properties).flatMap(([member, found]) =>
    found === false
      ? []
      : rowsOf(name === '' ? member : `${name}.${member}`, found, (value as Values | undefined)?.[member]),
  );
}

/** `Map.groupBy`, which Node.js 20 does not have. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function show(value: unknown): string {
  if (value === undefined || value === '') return 'none';
  if (typeof value === 'object' && Object.keys(value ?? {}).length === 0) return 'none';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function merge(base: Values, over: Values): Values {
  const merged = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    merged[name] = isMap ? merge((base[name] ?? {}) as Values, value as Values) : value;
  }
  return merged;
}
