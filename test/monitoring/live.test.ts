import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { randomUUID } from 'node:crypto';
import { startAlertmanager } from '../support/monitoring/alertmanager.ts';
import { importEveryMetric } from '../support/monitoring/every-metric.ts';
import { readDashboardQueries } from '../support/monitoring/files.ts';
import { prepareProcesses, type EngineProcesses } from '../support/monitoring/processes.ts';
import { startPrometheus, type Prometheus } from '../support/monitoring/prometheus.ts';
import { useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';
import { watchInstances } from '../support/watch-instances.ts';

const programs = inject('monitoring');

describe.skipIf(!programs)('a Prometheus that scrapes the processes of an engine', () => {
  const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });
  let folder: string;
  let processes: EngineProcesses;
  let prometheus: Prometheus;
  let alertmanager: Awaited<ReturnType<typeof startAlertmanager>>;
  let token: string;

  beforeAll(async () => {
    if (!programs) return;
    folder = await mkdtemp(join(tmpdir(), 'monitoring-'));
    processes = await prepareProcesses(rig);
    await processes['event-broker'].start();
    await Promise.all(
      (['agents-worker', 'user-backend', 'admin-backend'] as const).map((name) => processes[name].start()),
    );
    alertmanager = await startAlertmanager({ programs, folder: join(folder, 'alertmanager') });
    const targets = Object.values(processes).flatMap((each) => (typeof each === 'object' ? [each.address] : []));
    prometheus = await startPrometheus({
      programs,
      folder: join(folder, 'prometheus'),
      targets,
      alertmanager: alertmanager.address,
    });
    token = await signToken({ userId: randomUUID() });
  }, 240_000);
  afterAll(async () => {
    await prometheus?.stop();
    await alertmanager?.stop();
    await processes?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const call = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${processes.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Record<string, unknown>;
  };

  /** Lives that give every metric a reason to count. */
  const live = async (): Promise<void> => {
    const watch = await watchInstances(processes.url, token);
    const [good, ends] = [
      await rig.publishAgent(),
      await rig.publishAgent({ command: ['sh', '-c', 'sleep 0.3; exit 7'] }),
    ];
    for (const agentId of [good, ends]) {
      const { id } = await call('POST', '/v1/instances', { agent_id: agentId });
      const status = agentId === good ? 'running' : 'failed';
      await watch.until(({ instance }) => instance?.instance_id === id && instance?.status === status);
    }
    const { id } = await call('POST', '/v1/instances', { agent_id: good });
    await watch.until(({ instance }) => instance?.instance_id === id && instance?.status === 'running');
    await call('DELETE', `/v1/instances/${String(id)}`);
    await watch.until(({ type, instance }) => type === 'instance.deleted' && instance?.instance_id === id);
    watch.close();
  };

  test('gets what promtool finds to be well formed, from each process', async () => {
    await live();
    for (const each of Object.values(processes)) {
      if (typeof each !== 'object') continue;
      const text = await (await fetch(`http://${each.address}/metrics`)).text();
      // Names of Node.js and of the SDK are not ours, and linting is about names and help texts; a text that cannot be parsed ends with 1.
      const { code, output } = await checkMetrics(programs?.promtool ?? '', text);
      const ours = output.split('\n').filter((line) => line.startsWith('instance_engine_'));
      expect({ code: code === 1, ours }).toEqual({ code: false, ours: [] });
    }
  });

  test('has the metrics of the SDK beside ours', async () => {
    await vi.waitFor(async () => {
      const slots = await prometheus.query('sum by (worker_type) (temporal_worker_task_slots_available)');
      expect(slots.map(({ labels }) => labels['worker_type'])).toEqual(
        expect.arrayContaining(['ActivityWorker', 'WorkflowWorker']),
      );
    });
  });

  test('answers every query of the dashboard, and has data for it', async () => {
    // Nothing of this has happened.
    const without = new Set(['Redeliveries and retries a second']);
    const queries = await readDashboardQueries();
    expect(queries.length).toBeGreaterThan(30);
    await vi.waitFor(
      async () => {
        const empty: string[] = [];
        for (const { panel, expr } of queries) {
          const found = await prometheus.query(expr);
          if (found.length === 0 && !without.has(panel)) empty.push(`${panel}: ${expr}`);
        }
        expect(empty).toEqual([]);
      },
      { timeout: 60_000, interval: 1_000 },
    );
  });

  test('has every metric that docs/metrics.md describes', async () => {
    const metrics = await importEveryMetric();
    await vi.waitFor(
      async () => {
        const found = await prometheus.query('count by (__name__) ({__name__=~"instance_engine_.+"})');
        const names = new Set(found.map(({ labels }) => labels['__name__']));
        const missing = metrics
          .map(({ name, kind }) => (kind === 'histogram' ? `${name}_count` : name))
          .filter((name) => !names.has(name));
        // Nothing of this has happened.
        const without = new Set(['messages_redelivered_total', 'message_retries_total']);
        expect(missing.filter((name) => !without.has(name.replace('instance_engine_', '')))).toEqual([]);
      },
      { timeout: 60_000, interval: 1_000 },
    );
  });

  test('fires EventBrokerAway and EventLogBacklog while event_broker is stopped, and resolves them once it is back', async () => {
    const about = (name: string): string[] => alertmanager.told.filter((each) => each.startsWith(`${name} `));
    expect(await prometheus.firing()).not.toContain('EventBrokerAway');
    await processes['event-broker'].stop();
    await call('POST', '/v1/instances', { agent_id: await rig.publishAgent() });
    for (const name of ['EventBrokerAway', 'EventLogBacklog']) {
      await vi.waitFor(() => expect(about(name)).toEqual([`${name} firing`]), { timeout: 180_000, interval: 500 });
    }
    expect(await prometheus.firing()).toEqual(expect.arrayContaining(['EventBrokerAway', 'EventLogBacklog']));
    await processes['event-broker'].start();
    for (const name of ['EventBrokerAway', 'EventLogBacklog']) {
      await vi.waitFor(() => expect(about(name)).toEqual([`${name} firing`, `${name} resolved`]), {
        timeout: 60_000,
        interval: 500,
      });
    }
    expect(await prometheus.firing()).not.toContain('EventBrokerAway');
  }, 360_000);
});

async function checkMetrics(promtool: string, text: string): Promise<{ code: number; output: string }> {
  const running = promisify(execFile)(promtool, ['check', 'metrics']);
  running.child.stdin?.end(text);
  try {
    const { stdout, stderr } = await running;
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code = 1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, output: stdout + stderr };
  }
}
