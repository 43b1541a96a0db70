import { afterEach, beforeAll, expect, test } from 'vitest';
import { forgetEngineReading, setEngineReading } from '../../metrics/engine.ts';
import { countParts } from '../../metrics/process.ts';
import { readMetrics, serveSdkMetrics } from '../../metrics/serve.ts';
import { countSignal } from '../../metrics/signals.ts';
import { countSweep } from '../../metrics/sweeps.ts';
import { serveHealth } from '../../workers/health.ts';
import { importEveryMetric } from '../support/monitoring/every-metric.ts';
import { seriesOf, valueOf } from '../support/monitoring/series.ts';

const reading = {
  log: { unpublished: 3, oldestSeconds: 1.5 },
  instances: [{ status: 'running', reason: '', agent: 'crawler', count: 2, oldestSeconds: 60 }],
  hosts: [{ runtime: 'process', state: 'serving', count: 1 }],
};

beforeAll(importEveryMetric);
afterEach(() => {
  forgetEngineReading();
  serveSdkMetrics(undefined);
});

test('GET /metrics of the health port answers in the text format of Prometheus', async () => {
  const parts = [{ name: 'a_part', health: { ready: false } }];
  const server = await serveHealth({ host: '127.0.0.1', port: 0, setting: 'A_HEALTH_PORT', parts });
  const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  expect(valueOf(text, 'instance_engine_part_ready', { part: 'a_part' })).toBe(0);
  await server.close();
  expect(seriesOf(await readMetrics(), 'instance_engine_part_ready')).toEqual([]);
});

test('only the process that reads the database has its counts', async () => {
  const names = ['instances', 'hosts', 'event_log_unpublished_entries', 'event_log_oldest_unpublished_seconds'];
  const read = async () => {
    const text = await readMetrics();
    return names.flatMap((name) => seriesOf(text, `instance_engine_${name}`));
  };
  expect(await read()).toEqual([]);
  setEngineReading(reading);
  expect((await read()).map(({ value }) => value)).toEqual([2, 1, 3, 1.5]);
  // What is not there any more has no series that goes on with its last value.
  setEngineReading({ ...reading, instances: [] });
  expect((await read()).map(({ value }) => value)).toEqual([1, 3, 1.5]);
  forgetEngineReading();
  expect(await read()).toEqual([]);
});

test('a part that stands by is told from one that waits for a server', async () => {
  const end = countParts([
    { name: 'standing_by', health: { ready: false, standby: 'another one leads' } },
    { name: 'waiting', health: { ready: false } },
  ]);
  const text = await readMetrics();
  end();
  expect(valueOf(text, 'instance_engine_part_standby', { part: 'standing_by' })).toBe(1);
  expect(valueOf(text, 'instance_engine_part_standby', { part: 'waiting' })).toBe(0);
});

test('a signal counts as it ended', async () => {
  const message = 'aTestMessage';
  await countSignal(message, async () => undefined);
  await countSignal(message, async () => true);
  await countSignal(message, async () => false);
  await expect(countSignal(message, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  const text = await readMetrics();
  const counts = ['accepted', 'no_workflow', 'refused'].map((outcome) =>
    valueOf(text, 'instance_engine_signals_total', { message, outcome }),
  );
  expect(counts).toEqual([2, 1, 1]);
});

test('a sweep counts what it found, and nothing else of its result', async () => {
  await countSweep('rows', async () => ({ aTestDrift: 2, another: 0, hostIds: ['a', 'b'] }));
  await expect(countSweep('rows', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  const text = await readMetrics();
  expect(valueOf(text, 'instance_engine_sweep_drifts_total', { drift: 'aTestDrift' })).toBe(2);
  expect(seriesOf(text, 'instance_engine_sweep_drifts_total').map(({ labels }) => labels['drift'])).not.toContain(
    'hostIds',
  );
  for (const outcome of ['succeeded', 'failed'])
    expect(valueOf(text, 'instance_engine_sweep_seconds_count', { of: 'rows', outcome })).toBeGreaterThan(0);
});

test('without an answer of the SDK, the other metrics are served', async () => {
  serveSdkMetrics('http://127.0.0.1:1/metrics');
  expect(seriesOf(await readMetrics(), 'instance_engine_live_clients')).toHaveLength(1);
});
