import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';

/** Silences the SDK in a process that only replays, because every failure is in the result. Call it before any other use of the SDK. */
export function silenceReplay(): void {
  Runtime.install({
    // A signal ends this process at once, without waiting for a replay.
    shutdownSignals: [],
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} },
    },
  });
}
