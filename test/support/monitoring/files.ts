import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';

export const monitoringFolder = fileURLToPath(new URL('../../../monitoring/', import.meta.url));

const rule = z.object({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.object({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.object({ summary: z.string(), description: z.string() }),
});

/** The alerts of monitoring/alerts.yml. */
export async function readAlerts(): Promise<z.infer<typeof rule>[]> {
  const { groups } = z
    .object({ groups: z.array(z.object({ rules: z.array(rule) })) })
    .parse(parse(await read('alerts.yml')));
  return groups.flatMap(({ rules }) => rules);
}

/** The alerts that monitoring/alerts.test.yml has a case for in which they fire, and in which they do not. */
export async function readTestedAlerts(): Promise<{ fires: Set<string>; staysSilent: Set<string> }> {
  const testCase = z.object({
    promql_expr_test: z
      .array(z.object({ expr: z.string(), exp_samples: z.array(z.object({ value: z.number() })) }))
      .default([]),
  });
  const { tests } = z.object({ tests: z.array(testCase) }).parse(parse(await read('alerts.test.yml')));
  const outcomes = tests.flatMap((each) => each.promql_expr_test);
  const named = (value: number): Set<string> =>
    new Set(
      outcomes
        .filter(({ exp_samples: [sample] }) => sample?.value === value)
        .map(({ expr }) => /alertname="(\w+)"/.exec(expr)?.[1] ?? ''),
    );
  return { fires: named(1), staysSilent: named(0) };
}

export interface DashboardQuery {
  panel: string;
  expr: string;
}

/** The queries of monitoring/dashboard.json, with what Grafana puts in the place of its variables. */
export async function readDashboardQueries(): Promise<DashboardQuery[]> {
  const panel = z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) });
  const { panels } = z.object({ panels: z.array(panel) }).parse(JSON.parse(await read('dashboard.json')));
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ panel: title, expr: expr.replaceAll('$__rate_interval', '1m') })),
  );
}

function read(name: string): Promise<string> {
  return readFile(`${monitoringFolder}${name}`, 'utf8');
}
