/** Time limits of a session of the engine; 0 means no limit. */
export interface SessionLimits {
  statementMs: number;
  /** How long a statement waits for a lock. */
  lockMs?: number;
  /** After this time without a statement, the server ends a session that keeps a transaction, and its locks, open. */
  idleInTransactionMs: number;
  /** After this time without a statement, the server ends the session. PostgreSQL 14 or newer. */
  idleMs?: number;
}

/**
 * What our code relies on: how values are written and read, and what a transaction may do. A database, a role or a
 * proxy may have other defaults. Left to the server's owner: `synchronous_commit`, planner and memory settings.
 */
const reliedOn = {
  search_path: 'public',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  xmlbinary: 'base64',
  row_security: 'on',
  exit_on_error: 'off',
};

const transactions = {
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
};

/** The server gives a vanished host up: idle connections by probes, busy ones by data that nobody acknowledges. */
const network = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '15000',
};

function limitsOf(limits: SessionLimits, serverVersion: number): Record<string, string> {
  return {
    statement_timeout: String(limits.statementMs),
    lock_timeout: String(limits.lockMs ?? 0),
    idle_in_transaction_session_timeout: String(limits.idleInTransactionMs),
    ...(serverVersion >= 140_000 && { idle_session_timeout: String(limits.idleMs ?? 0) }),
    ...(serverVersion >= 170_000 && { transaction_timeout: '0' }),
  };
}

/** SQL for a session that is ours alone. @param serverVersion `server_version_num`, e.g. 150004 */
export function settleSession(limits: SessionLimits, serverVersion: number): string {
  // The limits come first: a short one of the database must not end the rest.
  return assign('set', { ...limitsOf(limits, serverVersion), ...reliedOn, ...transactions, ...network });
}

/** SQL to begin a transaction on a session that others use in between: nothing of it stays behind. */
export function beginSettled(limits: SessionLimits, serverVersion: number, begin = 'begin'): string {
  const modes = begin === 'begin' ? ' isolation level read committed read write' : '';
  const settings = assign('set local', { ...limitsOf(limits, serverVersion), ...reliedOn });
  return `${begin}${modes}; ${settings}`;
}

function assign(command: 'set' | 'set local', settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(
      ([name, value]) =>
        `${command} ${name} to ${value
          .split(', ')
          .map((part) => `'${part}'`)
          .join(', ')}`,
    )
    .join('; ');
}
