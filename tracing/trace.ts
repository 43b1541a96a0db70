import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';

/**
 * Spans of what the engine does, which belong to the trace that events carry as their `traceparent`. All of it does nothing until a tracer
 * is set, which `start-tracing.ts` does where traces are wanted.
 */

export interface SpanOptions {
  name: string;
  /** The `traceparent` that the span goes on from. Without it, the span is a child of the active one, and there is none without that. */
  parent?: string | undefined;
  kind?: keyof typeof SpanKind;
  /** When it began; now, unless said otherwise. */
  startTime?: Date;
  /** Ids are fine here, as in logs. Configs, output of agents and texts of errors are not. */
  attributes?: Attributes;
}

let tracer: Tracer | undefined;

/** Undefined ends tracing. */
export function setTracer(used: Tracer | undefined): void {
  tracer = used;
}

/**
 * Runs work within a span, which is then the active one. The span fails with the work.
 *
 * @param describe is not called while there are no traces, which then cost nothing
 */
export async function inSpan<Result>(describe: () => SpanOptions, work: () => Promise<Result>): Promise<Result> {
  if (!tracer) return work();
  const options = describe();
  const parent = parentOf(options);
  if (!parent) return work();
  const span = startSpan(tracer, options, parent);
  try {
    return await context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    // The message of an error may quote what an agent printed.
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'unknown' });
    throw error;
  } finally {
    span.end();
  }
}

/** Records something that is over. @returns the `traceparent` of the span, for what follows from it; undefined without traces */
export function recordSpan(describe: () => SpanOptions): string | undefined {
  if (!tracer) return undefined;
  const options = describe();
  const parent = parentOf(options);
  if (!parent) return undefined;
  const span = startSpan(tracer, options, parent);
  span.end();
  return traceparentOf(span);
}

export interface RequestSpan {
  /** For the events that the request causes. */
  traceparent: string;
  end(status: number): void;
}

/** Starts the span of a request from outside, which begins a trace unless the request belongs to one. */
export function startRequestSpan(traceparent: string | undefined, attributes: Attributes): RequestSpan | undefined {
  if (!tracer) return undefined;
  const parent = (traceparent === undefined ? undefined : contextOf(traceparent)) ?? ROOT_CONTEXT;
  const { 'http.request.method': method, 'http.route': route } = attributes;
  const span = tracer.startSpan(`${String(method)} ${String(route)}`, { kind: SpanKind.SERVER, attributes }, parent);
  return {
    traceparent: traceparentOf(span),
    end: (status) => {
      span.setAttribute('http.response.status_code', status);
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** The `traceparent` of the active span, for what it causes; undefined while there are no traces. */
export function activeTraceparent(): string | undefined {
  const span = tracer && trace.getActiveSpan();
  return span && traceparentOf(span);
}

function startSpan(
  used: Tracer,
  { name, kind = 'INTERNAL', attributes = {}, startTime }: SpanOptions,
  parent: Context,
): Span {
  return used.startSpan(name, { kind: SpanKind[kind], attributes, ...(startTime && { startTime }) }, parent);
}

function parentOf({ parent }: SpanOptions): Context | undefined {
  if (parent !== undefined) return contextOf(parent);
  const active = context.active();
  return trace.getSpan(active) && active;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const form = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;

/** Undefined for a text that is no `traceparent`. */
function contextOf(traceparent: string): Context | undefined {
  const [, traceId, spanId, flags] = form.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
