/** Limits of every connection to RabbitMQ, unless its options say otherwise. test/unit/time-limits.test.ts compares the limits. */
export const amqpLimits = {
  /** A server that has been silent for three heartbeats counts as gone. */
  heartbeatSeconds: 10,
  connectMs: 5_000,
  /** A call that is not answered within this time has failed, and ends the session. */
  callMs: 10_000,
  /** A message that is not confirmed within this time counts as refused. */
  confirmMs: 10_000,
  /** How long a stop waits for the messages that are being handled. */
  finishMs: 5_000,
  /** How long a close waits for the server's answer. */
  goodbyeMs: 4_000,
  /** A connection that is still in use this long after a stop is destroyed without a goodbye. */
  abandonMs: 8_000,
};
