/** Of the connections to Temporal, in milliseconds. What has to be below what: test/unit/time-limits.test.ts. */
export const temporalLimits = {
  /** A silent server is asked for a sign of life after this time. Temporal refuses less than 10 s. */
  keepAliveMs: 15_000,
  /** A server that does not answer that by then is given up. */
  keepAliveAnswerMs: 5_000,
  /** An activity that is no longer wanted learns of it with a heartbeat: not later than this. */
  heartbeatThrottleMs: 500,
  /** How often it is looked whether the namespace still is as it must be. */
  namespaceCheckIntervalMs: 5_000,
  /** How long that may take. */
  namespaceCheckMs: 10_000,
  /** How long a stop waits for the activities that run. */
  shutdownGraceMs: 5_000,
  /** How long it waits for all else, for answers of Temporal above all. */
  shutdownForceMs: 9_000,
};
