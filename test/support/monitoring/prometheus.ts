import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { runServer, type RunningServer } from '../../../stack/server.ts';
import { freePorts } from '../kubernetes/free-ports.ts';
import { monitoringFolder } from './files.ts';
import type { MonitoringPrograms } from './programs.ts';

export interface PrometheusOptions {
  programs: MonitoringPrograms;
  /** A folder of its own. */
  folder: string;
  /** Addresses of the processes, as `host:port`. */
  targets: readonly string[];
  /** Address of an Alertmanager. */
  alertmanager: string;
}

export interface Prometheus extends RunningServer {
  query(expression: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  /** Names of the alerts that fire. */
  firing(): Promise<string[]>;
}

const vector = z.object({
  status: z.literal('success'),
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});
const alerts = z.object({
  data: z.object({ alerts: z.array(z.object({ labels: z.record(z.string(), z.string()), state: z.string() })) }),
});

/** A Prometheus that scrapes each second, with the alerts of monitoring/. */
export async function startPrometheus({
  programs,
  folder,
  targets,
  alertmanager,
}: PrometheusOptions): Promise<Prometheus> {
  await mkdir(folder, { recursive: true });
  const [port] = await freePorts(1);
  const config = join(folder, 'prometheus.yml');
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [join(monitoringFolder, 'alerts.yml')],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
      scrape_configs: [{ job_name: 'instance-engine', static_configs: [{ targets: [...targets] }] }],
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}${path}`);
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const server = await runServer({
    name: 'Prometheus',
    folder,
    command: programs.prometheus,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    probe: () => get('/api/v1/status/runtimeinfo'),
  });
  return {
    ...server,
    query: async (expression) => {
      const answer = vector.parse(await get(`/api/v1/query?query=${encodeURIComponent(expression)}`));
      return answer.data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    firing: async () => {
      const answer = alerts.parse(await get('/api/v1/alerts'));
      return answer.data.alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels['alertname'] ?? '');
    },
  };
}
