/** How long a stop waits for a server that does not answer, in milliseconds. test/unit/time-limits.test.ts compares the limits. */
export const stopLimits = {
  /** For one part of a process: one supervised connection, the requests in hand, or a pool. */
  partMs: 12_000,
  /** For each pool, client and HTTP server that is closed after the work has ended. */
  closeMs: 4_000,
  /** For the collector of traces to take the last spans. */
  spansMs: 400,
  /** For the whole process, which exits in any case once this time is over. */
  processMs: 27_000,
};
