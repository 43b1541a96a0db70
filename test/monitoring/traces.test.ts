import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { startCollector, type CollectedSpan, type Collector } from '../support/monitoring/collector.ts';
import { prepareProcesses, type EngineProcesses } from '../support/monitoring/processes.ts';
import { one, useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';
import { watchInstances } from '../support/watch-instances.ts';

const program = inject('collector');

describe.skipIf(program === null)('a collector of traces', () => {
  const rig = useRig();
  let folder: string;
  let collector: Collector;
  let processes: EngineProcesses;
  let token: string;
  let agentId: string;

  beforeAll(async () => {
    if (program === null) return;
    folder = await mkdtemp(join(tmpdir(), 'traces-'));
    collector = await startCollector({ program, folder: join(folder, 'collector') });
    processes = await prepareProcesses(rig, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    await processes['event-broker'].start();
    await Promise.all([processes['agents-worker'].start(), processes['user-backend'].start()]);
    token = await signToken({ userId: randomUUID() });
    agentId = await rig.publishAgent();
  }, 240_000);
  afterAll(async () => {
    await processes?.stop();
    await collector?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Creates an instance as a client that has a trace of its own, and waits until its page would show that it runs. */
  const run = async (flags: string): Promise<{ id: string; traceId: string; clientSpan: string }> => {
    const [traceId, clientSpan] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    const watch = await watchInstances(processes.url, token);
    const response = await fetch(`${processes.url}/v1/instances`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        traceparent: `00-${traceId}-${clientSpan}-${flags}`,
      },
      body: JSON.stringify({ agent_id: agentId }),
    });
    const { id } = (await response.json()) as { id: string };
    await watch.until(({ instance }) => instance?.instance_id === id && instance.status === 'running');
    watch.close();
    return { id, traceId, clientSpan };
  };

  /** The spans from one of them up to the span of the client. */
  const pathOf = (spans: readonly CollectedSpan[], last: CollectedSpan | undefined): CollectedSpan[] => {
    const path: CollectedSpan[] = [];
    for (let span = last; span; span = spans.find(({ id }) => id === span?.parentId)) path.push(span);
    return path;
  };
  const outline = (path: readonly CollectedSpan[]): string[] =>
    path.toReversed().map(({ service, name }) => `${service}: ${name}`);

  test('gets one trace from the HTTP request over log, bus, workflow and runtime to the push', async () => {
    const { traceId, clientSpan } = await run('01');
    // Each process sends its spans every few seconds.
    await vi.waitFor(
      async () => {
        const spans = await collector.spansOf(traceId);
        const pathTo = (wanted: string): CollectedSpan[] =>
          pathOf(
            spans,
            spans.find(({ name }) => name === wanted),
          );
        const push = pathTo('push instance.updated');
        expect(outline(push)).toEqual([
          'user_backend: POST /v1/instances',
          'agents_worker: process instance.created',
          expect.stringMatching(/^agents_worker: activity /),
          'agents_worker: step recordStatus',
          'user_backend: push instance.updated',
        ]);
        expect(push.at(-1)?.parentId).toBe(clientSpan);
        expect(outline(pathTo('publish instance.created'))).toEqual([
          'user_backend: POST /v1/instances',
          'event_broker: event_log instance.created',
          'event_broker: publish instance.created',
        ]);
        expect(outline(pathTo('publish instance.updated')).slice(-3)).toEqual([
          'agents_worker: step recordStatus',
          'event_broker: event_log instance.updated',
          'event_broker: publish instance.updated',
        ]);
        expect(outline(pathTo('runtime provision')).slice(-2)).toEqual([
          'agents_worker: step provision',
          'agents_worker: runtime provision',
        ]);
        expect(outline(pathTo('decide place'))).toEqual([
          'user_backend: POST /v1/instances',
          'agents_worker: process instance.created',
          'agents_worker: decide place',
        ]);
        const ids = new Set(spans.map(({ id }) => id));
        expect(spans.filter(({ parentId }) => parentId !== clientSpan && !ids.has(parentId))).toEqual([]);
      },
      { timeout: 60_000, interval: 500 },
    );
  });

  test('gets nothing of a trace that its client does not record, whose events say so', async () => {
    const quiet = await run('00');
    const loud = await run('01');
    await vi.waitFor(async () => expect(await collector.spansOf(loud.traceId)).not.toEqual([]), { timeout: 60_000 });
    expect(await collector.spansOf(quiet.traceId)).toEqual([]);
    const { rows } = await rig.pool.query<{ traceparent: string }>(
      'select traceparent from event_log where entity_id = $1 and sequence = 1',
      [quiet.id],
    );
    expect(one(rows).traceparent).toMatch(new RegExp(`^00-${quiet.traceId}-[0-9a-f]{16}-00$`));
  });

  test('that is away holds nothing up', async () => {
    await collector.stop();
    const { id } = await run('01');
    expect(await rig.processes(id)).toHaveLength(1);
  });
});
