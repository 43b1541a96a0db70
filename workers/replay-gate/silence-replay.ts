import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';

/** For a process that only replays: what the SDK would log of a failed replay is in its answer. Before any other use of it. */
export function silenceReplay(): void {
  Runtime.install({
    // Whoever ends this process need not wait for a replay.
    shutdownSignals: [],
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} },
    },
  });
}
