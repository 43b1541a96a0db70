/** How event_broker knows that its leader lives, in milliseconds. What has to be below what: test/unit/time-limits.test.ts. */
export const leadership = {
  /** A leader counts a beat this often. */
  beatMs: 2_000,
  /** A leader that has not counted one for so long publishes nothing. */
  fenceMs: 10_000,
  /** A standby that has not seen one for so long takes over. */
  leaseMs: 15_000,
  /** How often a standby looks. */
  pollMs: 1_000,
  /**
   * RabbitMQ closes a connection after three of these without a word. What a stopped leader had handed to its connection
   * can then no longer arrive once another one leads.
   */
  amqpHeartbeatSeconds: 4,
};

/** Of every connection to RabbitMQ, unless it says otherwise. */
export const amqpLimits = {
  /** A server that says nothing for three times as long is given up. */
  heartbeatSeconds: 10,
  connectMs: 5_000,
  /** A confirm that has not come by then counts as refused. */
  confirmMs: 10_000,
  /** A call about a control queue that is not answered by then has failed. */
  callMs: 10_000,
  /** How long a stop waits for the messages that are being handled. */
  finishMs: 5_000,
  /** How long a goodbye waits for its answer. */
  goodbyeMs: 4_000,
  /** A connection that is still in use so long after a stop is ended without a goodbye. */
  abandonMs: 8_000,
};

/** How long a stop waits for a server that does not answer, in milliseconds. */
export const stopLimits = {
  /** For one part of a process: one supervised connection, the requests in hand, or a pool. */
  partMs: 12_000,
  /** For what is closed after the work has ended: pools, clients and HTTP servers. */
  closeMs: 4_000,
  /** For the whole process, which then ends in any case. */
  processMs: 27_000,
};

/** How calls to Temporal are repeated until it accepts them, in milliseconds. */
export const acceptanceLimits = {
  firstRetryMs: 100,
  maxRetryMs: 5_000,
  /** Where a run has had as many signals as it may, or just ends, the next run comes within a moment. */
  maxRunRetryMs: 1_000,
  /** A refusal that lasts longer makes the health red, also where it may pass by itself. */
  lastingMs: 10_000,
};
