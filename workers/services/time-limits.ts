/** Limits of the connections to Temporal, in milliseconds. test/unit/time-limits.test.ts holds their order. */
export const temporalLimits = {
  /** Silence after which the server is pinged. Temporal refuses less than 10 s. */
  keepAliveMs: 15_000,
  /** Time for the answer to a ping, after which the connection is given up. */
  keepAliveAnswerMs: 5_000,
  /** Longest interval between two heartbeats, which tell an activity that it was cancelled. */
  heartbeatThrottleMs: 500,
  /** Interval of the checks of the namespace. */
  namespaceCheckIntervalMs: 5_000,
  /** Time limit of one check of the namespace. */
  namespaceCheckMs: 10_000,
  /** Interval at which a versioned worker looks which build is the current one. */
  currentBuildCheckIntervalMs: 5_000,
  /** Time that a stop leaves to running activities. */
  shutdownGraceMs: 5_000,
  /** Time after which a stop ends, even without answers of Temporal. */
  shutdownForceMs: 9_000,
};

/** Limits of the announcement of a build. */
export const buildLimits = {
  announcementIntervalMs: 10_000,
  /** Time after which a build without further announcements counts as gone, in seconds. */
  announcedSeconds: 40,
};

/** Limits of hosts, in milliseconds. */
export const hostLimits = {
  /** Time for PostgreSQL to note that the worker leaves. */
  leaveMs: 1_500,
  /** Time that a stop leaves to instances that were placed on the host a moment ago. */
  startingMs: 5_000,
  startingPollMs: 100,
  /** Time that a stop leaves to steps on a host that no activity waits for. */
  abandonedMs: 1_000,
  /** Interval at which a worker looks whether it takes the tasks of its hosts. */
  takingPollMs: 100,
  /** Interval at which the hosts are watched. */
  watchIntervalMs: 2_000,
  /** Time after which another worker watches them, in seconds. */
  watchSeconds: 10,
};
