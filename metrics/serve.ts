import { collectDefaultMetrics } from 'prom-client';
import { registry } from './define.ts';

/** The text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats */
export const contentType = registry.contentType;

let sdkUrl: string | undefined;

/** The metrics of Temporal's SDK, which its native part serves, are read from that URL and served with the others. */
export function serveSdkMetrics(url: string | undefined): void {
  sdkUrl = url;
}

/** Adds the metrics of Node.js: processor time, memory, event loop, garbage collection. */
export function collectNodeMetrics(): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
}

const sdkTimeoutMs = 2_000;

/** All metrics of this process. Without an answer of the SDK, those of the SDK are left out. */
export async function readMetrics(): Promise<string> {
  const [own, ofSdk] = await Promise.all([registry.metrics(), readSdkMetrics()]);
  return own + ofSdk;
}

async function readSdkMetrics(): Promise<string> {
  if (sdkUrl === undefined) return '';
  try {
    const response = await fetch(sdkUrl, { signal: AbortSignal.timeout(sdkTimeoutMs) });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}
