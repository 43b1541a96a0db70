import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { readEngine } from '../../database/engine-reading.ts';
import { forgetEngineReading, readingSeconds, setEngineReading } from '../../metrics/engine.ts';
import { errorMessage } from '../../supervision/errors.ts';

export interface EngineReadings {
  /** Must be called again and again by the one worker that reads, which never waits for it. */
  go(): void;
  /** Must be called when another worker reads from now on. */
  end(): void;
}

/** Shortest time between two readings. */
const intervalMs = 10_000;
/** A reading that took long is followed by a pause that is longer by this factor, so that readings take a twentieth of the time at most. */
const pauseFactor = 20;

/** Reads what the database holds, for the metrics, as long as this worker is the one that does so. */
export function createEngineReadings({ pool, logger }: { pool: Pool; logger: Logger }): EngineReadings {
  let isInCharge = false;
  let reading: Promise<void> | undefined;
  let dueAt = 0;

  const read = async (): Promise<void> => {
    const begun = performance.now();
    let outcome = 'failed';
    try {
      const found = await readEngine(pool);
      outcome = 'succeeded';
      if (isInCharge) setEngineReading(found);
    } catch (error) {
      logger.warn({ error: errorMessage(error) }, 'the database cannot be read for the metrics; trying again');
    }
    const tookMs = performance.now() - begun;
    readingSeconds.observe({ outcome }, tookMs / 1_000);
    dueAt = begun + Math.max(intervalMs, tookMs * pauseFactor);
  };

  return {
    go: () => {
      isInCharge = true;
      if (reading || performance.now() < dueAt) return;
      reading = read().finally(() => {
        reading = undefined;
      });
    },
    end: () => {
      isInCharge = false;
      dueAt = 0;
      forgetEngineReading();
    },
  };
}
