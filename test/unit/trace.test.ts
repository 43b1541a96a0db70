import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { activeTraceparent, inSpan, recordSpan, setTracer, startRequestSpan } from '../../tracing/trace.ts';

const traceId = 'a'.repeat(32);
const spanId = 'b'.repeat(16);
const parent = `00-${traceId}-${spanId}-01`;

test('without a tracer nothing is described, and work is only done', async () => {
  const describeSpan = () => {
    throw new Error('it was described');
  };
  expect(await inSpan(describeSpan, async () => 1)).toBe(1);
  expect(recordSpan(describeSpan)).toBeUndefined();
  expect(startRequestSpan(parent, {})).toBeUndefined();
  expect(activeTraceparent()).toBeUndefined();
});

describe('with a tracer', () => {
  const exporter = new InMemorySpanExporter();
  const spans = () =>
    exporter
      .getFinishedSpans()
      .map(({ name, parentSpanContext, status }) => ({ name, parent: parentSpanContext?.spanId, status: status.code }));

  beforeEach(() => {
    exporter.reset();
    const provider = new BasicTracerProvider({
      sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    });
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    setTracer(provider.getTracer('test'));
  });
  afterEach(() => {
    setTracer(undefined);
    context.disable();
    trace.disable();
  });

  test('a span goes on with the trace of its parent, and what it runs is below it', async () => {
    let inside: string | undefined;
    await inSpan(
      () => ({ name: 'outer', parent }),
      () =>
        inSpan(
          () => ({ name: 'inner' }),
          async () => {
            inside = activeTraceparent();
          },
        ),
    );
    const [inner, outer] = exporter.getFinishedSpans();
    expect([outer?.name, outer?.parentSpanContext?.spanId, outer?.spanContext().traceId]).toEqual([
      'outer',
      spanId,
      traceId,
    ]);
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
    expect(inside).toBe(`00-${traceId}-${inner?.spanContext().spanId}-01`);
  });

  test('without a parent and outside of a span, nothing begins a trace but a request', async () => {
    await inSpan(
      () => ({ name: 'alone' }),
      async () => undefined,
    );
    expect(recordSpan(() => ({ name: 'alone' }))).toBeUndefined();
    recordSpan(() => ({ name: 'not of a trace', parent: 'no traceparent' }));
    expect(spans()).toEqual([]);
    const request = startRequestSpan(undefined, { 'http.request.method': 'GET', 'http.route': '/v1/me' });
    expect(request?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    request?.end(503);
    expect(spans()).toEqual([{ name: 'GET /v1/me', parent: undefined, status: 2 }]);
  });

  test('work that fails makes its span fail, by the name of the error alone', async () => {
    const failing = inSpan(
      () => ({ name: 'failing', parent }),
      () => Promise.reject(new TypeError('a secret that an agent printed')),
    );
    await expect(failing).rejects.toThrow('a secret');
    const [span] = exporter.getFinishedSpans();
    expect(span?.status).toEqual({ code: 2, message: 'TypeError' });
    expect(span?.events).toEqual([]);
  });

  test('a trace that is not recorded goes on unrecorded', async () => {
    const quiet = parent.replace(/01$/, '00');
    const request = startRequestSpan(quiet, {});
    expect(request?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    request?.end(200);
    await inSpan(
      () => ({ name: 'quiet', parent: quiet }),
      async () => undefined,
    );
    expect(spans()).toEqual([]);
  });

  test('what is over has the times that it took', () => {
    const startTime = new Date(Date.now() - 60_000);
    const traceparent = recordSpan(() => ({ name: 'event_log', parent, startTime }));
    const [span] = exporter.getFinishedSpans();
    expect(span?.startTime[0]).toBe(Math.floor(startTime.getTime() / 1_000));
    expect(span?.duration[0]).toBeGreaterThanOrEqual(59);
    expect(traceparent).toContain(span?.spanContext().spanId);
  });
});
