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
  /** How long a stop waits for the messages that are being handled. */
  finishMs: 5_000,
};
