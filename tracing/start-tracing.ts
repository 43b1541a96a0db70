import { context, diag, DiagLogLevel } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import { setTracer } from './trace.ts';

export interface TracingOptions {
  /** URL of a collector, e.g. `http://127.0.0.1:4318`. */
  endpoint: string;
  headers: Readonly<Record<string, string>>;
  /** Share of the traces that are recorded, from 0 to 1. */
  ratio: number;
  /** Name of the process. */
  service: string;
  /** Called when the collector does not take spans, which are then lost. */
  onWarning: (message: string) => void;
}

/** Sends spans to a collector, in batches. @returns how to send the last ones and to stop */
export function startTracing({ endpoint, headers, ratio, service, onWarning }: TracingOptions): () => Promise<void> {
  const warn = (message: string): void => onWarning(message);
  diag.setLogger({ error: warn, warn, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.WARN);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  // The triggers of the database begin traces as well, and mark them as recorded. So the share holds for traces of others, too; it depends
  // on the id of the trace alone, and every process comes to the same result.
  const sampler = new TraceIdRatioBasedSampler(ratio);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'instance-engine' }),
    sampler: new ParentBasedSampler({ root: sampler, remoteParentSampled: sampler }),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces`, headers })),
    ],
  });
  setTracer(provider.getTracer('instance-engine'));
  return async () => {
    setTracer(undefined);
    await provider.shutdown();
  };
}

function ignore(): void {}
