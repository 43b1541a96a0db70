import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runServer } from '../../../stack/server.ts';
import { freePorts } from '../kubernetes/free-ports.ts';

export interface CollectedSpan {
  service: string;
  traceId: string;
  id: string;
  /** Empty for the first span of a trace. */
  parentId: string;
  name: string;
  kind: string;
}

export type Collector = Awaited<ReturnType<typeof startCollector>>;

/** An OpenTelemetry collector, which prints what it gets. */
export async function startCollector({ program, folder }: { program: string; folder: string }) {
  await mkdir(folder, { recursive: true });
  const [port] = await freePorts(1);
  const endpoint = `127.0.0.1:${port}`;
  const config = join(folder, 'collector.yml');
  await writeFile(
    config,
    stringify({
      receivers: { otlp: { protocols: { http: { endpoint } } } },
      exporters: { debug: { verbosity: 'detailed', use_internal_logger: false } },
      service: {
        pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } },
        telemetry: { metrics: { level: 'none' } },
      },
    }),
  );
  const server = await runServer({
    name: 'The OpenTelemetry collector',
    folder,
    command: program,
    args: [`--config=file:${config}`],
    probe: () => fetch(`http://${endpoint}/v1/traces`),
  });
  return {
    ...server,
    url: `http://${endpoint}`,
    spansOf: async (traceId: string): Promise<CollectedSpan[]> =>
      parseSpans(await readFile(server.logFile, 'utf8')).filter((span) => span.traceId === traceId),
  };
}

/** The spans in what the exporter `debug` prints. */
function parseSpans(text: string): CollectedSpan[] {
  const spans: CollectedSpan[] = [];
  let service = '';
  for (const block of text.split(/^(?=ResourceSpans #|Span #)/m)) {
    service = /-> service\.name: Str\((.*?)\)/.exec(block)?.[1] ?? service;
    if (!block.startsWith('Span #')) continue;
    const field = (name: string): string => new RegExp(`^ {4}${name} *: ?(.*)$`, 'm').exec(block)?.[1]?.trim() ?? '';
    spans.push({
      service,
      traceId: field('Trace ID'),
      id: field('ID'),
      parentId: field('Parent ID'),
      name: field('Name'),
      kind: field('Kind'),
    });
  }
  return spans;
}
