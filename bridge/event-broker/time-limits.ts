/**
 * How event_broker notices that its leader is alive, in milliseconds unless the name says otherwise.
 * test/unit/time-limits.test.ts compares the limits.
 */
export const leadership = {
  /** A leader renews its lease this often. */
  beatMs: 2_000,
  /** A leader that has not renewed its lease for this long publishes nothing. */
  fenceMs: 10_000,
  /** A standby takes over when the lease was not renewed for this long. */
  leaseMs: 15_000,
  /** How often a standby reads the lease. */
  pollMs: 1_000,
  /**
   * RabbitMQ closes a connection after three silent heartbeats. What a stopped leader had handed to its connection can then
   * no longer arrive once another one leads.
   */
  amqpHeartbeatSeconds: 4,
};
