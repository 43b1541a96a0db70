import type { SessionLimits } from './session-settings.ts';

/** Limits of one connection, in milliseconds. What has to be below what: test/unit/time-limits.test.ts. */
export interface ConnectionLimits {
  /** Until the connection is open. */
  connectMs: number;
  /** A query that is not answered by then gives the connection up: a half-open socket raises no error. */
  queryMs: number;
  session: SessionLimits;
}

/** Shorter than the activities' own limit: an attempt that was given up cannot write later on. */
export const poolLimits: ConnectionLimits = {
  connectMs: 4_000,
  queryMs: 12_000,
  session: { statementMs: 10_000, idleInTransactionMs: 30_000 },
};

export const commandLineLimits: ConnectionLimits = {
  connectMs: 5_000,
  queryMs: 15_000,
  session: { statementMs: 12_000, idleInTransactionMs: 30_000 },
};

/** The server ends the session of a leader that no longer asks anything. */
export const leaderLimits: ConnectionLimits = {
  connectMs: 5_000,
  queryMs: 8_000,
  session: { statementMs: 7_000, idleInTransactionMs: 15_000, idleMs: 15_000 },
};

/** A migration may take long; what it waits for must not. */
export const migrationLimits: Omit<ConnectionLimits, 'queryMs'> = {
  connectMs: 10_000,
  session: { statementMs: 0, lockMs: 60_000, idleInTransactionMs: 0 },
};
