import { isIP } from 'node:net';
import pg from 'pg';
import { beginSettled, settleSession, type SessionLimits } from './session-settings.ts';
import { explainUntrusted } from '../certificates/untrusted-certificate.ts';

type Callback = (error: Error | null, result?: unknown) => void;

/** A connection of the engine. `isPooled` is true if a pooler such as PgBouncer answers in place of the server. */
export type EngineClient = pg.Client & { readonly isPooled: boolean };

/** The caller connects the client, as one of `pg`. */
export function createClient(config: pg.ClientConfig, limits: SessionLimits): EngineClient {
  return new SettledClient(config, limits) as EngineClient;
}

/** @returns the class from which a `pg.Pool` creates its connections */
export function clientsWith(limits: SessionLimits): new () => pg.ClientBase {
  return class extends SettledClient {
    constructor(config: pg.ClientConfig = {}) {
      super(config, limits);
    }
  };
}

/**
 * A connection that does not depend on the settings of the database, the role or a proxy. Its own session is settled
 * once. Behind a pooler, statements of others come in between: each statement outside of a transaction then becomes a
 * transaction that sets what it needs, and no statement is prepared under a name.
 */
class SettledClient extends pg.Client {
  readonly #limits: SessionLimits;
  #serverVersion = 0;
  #sharesItsSession = false;
  /** Ends with the last query that was handed over. One is under way at a time, and behind a pooler one transaction. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(config: pg.ClientConfig, limits: SessionLimits) {
    super(config);
    checkAddressInCertificate(this);
    this.#limits = limits;
    // A connection that breaks fails the query in hand, or the next one. Without a listener it would end the process as well, and a
    // pool has none before `connect` has ended.
    this.on('error', () => undefined);
  }

  get isPooled(): boolean {
    return this.#sharesItsSession;
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error | null) => void): undefined;
  override connect(callback?: (error: Error | null) => void): Promise<this> | undefined {
    const connected = this.#connect();
    if (!callback) return connected;
    return answerBy(connected, (error) => callback(error));
  }

  async #connect(): Promise<this> {
    try {
      await super.connect();
    } catch (error) {
      const place = { setting: 'DATABASE_URL', caSetting: 'DATABASE_CA_FILE' };
      throw explainUntrusted(error, { server: `PostgreSQL at ${this.host}:${this.port}`, ...place });
    }
    try {
      const { rows } = await super.query<{ pid: number; version: number }>(
        `select pg_catalog.pg_backend_pid() as pid, pg_catalog.current_setting('server_version_num')::int as version`,
      );
      const [{ pid, version } = { pid: 0, version: 0 }] = rows;
      this.#serverVersion = version;
      // A pooler makes up the id that it tells its clients, because their server process changes.
      this.#sharesItsSession = pid !== (this as unknown as { processID: number }).processID;
      if (!this.#sharesItsSession) await super.query(settleSession(this.#limits, version));
    } catch (error) {
      // The pool takes the client for one that never connected, and does not close it.
      this.connection.stream.destroy();
      throw error;
    }
    return this;
  }

  // `pg` declares an overload for each form of its arguments; all of them end here.
  override query(...given: unknown[]): never {
    const query = super.query.bind(this) as unknown as (...args: unknown[]) => Promise<unknown>;
    const callback = typeof given.at(-1) === 'function' ? (given.pop() as Callback) : undefined;
    const result = this.#queue.then(() =>
      this.#sharesItsSession ? this.#queryInTransaction(query, given) : query(...given),
    );
    this.#queue = result.catch(() => undefined);
    return (callback ? answerBy(result, callback) : result) as never;
  }

  async #queryInTransaction(query: (...args: unknown[]) => Promise<unknown>, given: unknown[]): Promise<unknown> {
    const [statement, values] = given as [string | pg.QueryConfig, unknown[] | undefined];
    const { name: _, ...config } = typeof statement === 'string' ? { name: '', text: statement } : statement;
    const begin = /^\s*begin\b/i.test(config.text);
    if (begin) return query(beginSettled(this.#limits, this.#serverVersion, config.text));
    if (this.getTransactionStatus() !== 'I') return query(config, values);

    await query(beginSettled(this.#limits, this.#serverVersion));
    try {
      const result = await query(config, values);
      await query('commit');
      return result;
    } catch (error) {
      // Without an answer of the server the connection is of no use any more.
      if (error instanceof pg.DatabaseError) await query('rollback').catch(() => undefined);
      throw error;
    }
  }
}

/** Where the server is named by its address, `pg` would compare its certificate with the name `localhost`. */
function checkAddressInCertificate({ connection, host }: pg.Client): void {
  const to = connection as unknown as { ssl: boolean | object };
  if (to.ssl !== false && isIP(host) !== 0) to.ssl = { ...(to.ssl === true ? {} : to.ssl), host };
}

/** For callers that hand over a callback, as `pg.Pool` does. */
function answerBy(promise: Promise<unknown>, callback: Callback): undefined {
  const call = async (): Promise<void> => {
    try {
      const value = await promise;
      process.nextTick(callback, null, value);
    } catch (error) {
      process.nextTick(callback, error);
    }
  };
  void call();
}
