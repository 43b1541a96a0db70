import { readFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { serviceNames } from '../../contracts/access.ts';
import { table } from '../../tools/contracts/documents/markdown.ts';
import { fillSections } from '../../tools/contracts/documents/sections.ts';
import { importEveryMetric } from '../support/monitoring/every-metric.ts';
import { readAlerts, readDashboardQueries, readTestedAlerts } from '../support/monitoring/files.ts';

const root = new URL('../../', import.meta.url);
const page = new URL('docs/metrics.md', root).pathname;

const described = await importEveryMetric();
const alerts = await readAlerts();

test('docs/metrics.md describes every metric and every alert; npm run metrics:document writes it', async () => {
  const sections = { metrics: metricsTable(), alerts: alertsTable() };
  const text = fillSections(page, await readFile(page, 'utf8'), sections);
  const formatted = await format(text, { ...(await resolveConfig(page)), filepath: page });
  await expect(formatted).toMatchFileSnapshot(page);
});

test('names of metrics have their unit, and those of counters end in _total', () => {
  const wrong = described.filter(({ name, kind }) =>
    kind === 'counter' ? !name.endsWith('_total') : kind === 'histogram' ? !name.endsWith('_seconds') : false,
  );
  expect(wrong).toEqual([]);
  expect(new Set(described.map(({ name }) => name)).size).toBe(described.length);
});

test('no label can have more values than there are queues, routes, agents and the like', () => {
  const labels = new Set(described.flatMap((metric) => metric.labels));
  expect([...labels].filter((label) => /(^|_)id$|instance|user|message_id|trace/.test(label))).toEqual([]);
});

test('alerts and the dashboard ask for metrics that there are', async () => {
  const known = new Set(
    described.flatMap(({ name, kind }) =>
      kind === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  );
  const queries = [...alerts.map(({ expr }) => expr), ...(await readDashboardQueries()).map(({ expr }) => expr)];
  const asked = queries.flatMap((query) => query.match(/\binstance_engine_\w+/g) ?? []);
  expect(asked).not.toHaveLength(0);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});

test('each alert is tested', async () => {
  const tested = await readTestedAlerts();
  expect(alerts.map(({ alert }) => alert).filter((name) => !tested.fires.has(name))).toEqual([]);
  expect(alerts.map(({ alert }) => alert).filter((name) => !tested.staysSilent.has(name))).toEqual([]);
});

function metricsTable(): string {
  const rows = described.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return table(
    ['metric', 'kind', 'labels', 'meaning', 'of'],
    rows.map(({ name, kind, labels, help, of }) => [
      `\`${name}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(', '),
      help,
      of.length === serviceNames.length ? 'every service' : of.join(', '),
    ]),
  );
}

function alertsTable(): string {
  return table(
    ['alert', 'severity', 'after', 'meaning and what to do'],
    alerts.map(({ alert, labels, for: after = '', annotations }) => [
      `\`${alert}\``,
      labels.severity,
      after === '' ? 'at once' : after,
      annotations.description,
    ]),
  );
}
