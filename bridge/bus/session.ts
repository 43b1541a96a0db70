import type { ConfirmChannel } from 'amqplib';
import type { ServiceName } from '../../contracts/names.ts';
import type { Session } from '../../supervision/supervise.ts';
import { openAmqp, type AmqpConnection } from './connection.ts';
import { assertTopology } from './topology.ts';

export interface BusSessionOptions {
  amqpUrl: string;
  connectionName: string;
  heartbeatSeconds?: number;
  /** Decides which part of the topology is declared and checked first. */
  service: ServiceName;
  session: Session;
  /** Begins the work of the session, which goes on until the session is to end. */
  start: (bus: Bus) => void | Promise<void>;
  /** Called when the session is to end and the connection still works. */
  finish?: (channel: ConfirmChannel) => Promise<void>;
  /** Always called before the connection is closed. */
  cleanUp?: () => void | Promise<void>;
}

export interface Bus {
  amqp: AmqpConnection;
  channel: ConfirmChannel;
  fail: (error: unknown) => void;
}

/** Runs one session of `supervise` on one connection, until the session is to end (resolves) or something breaks (rejects). */
export async function runBusSession(options: BusSessionOptions): Promise<void> {
  const { service, session, start, finish, cleanUp } = options;
  const { signal } = session;
  const amqp = await openAmqp(options);
  try {
    const channel = await amqp.openChannel();
    await assertTopology(channel, service);
    // A listener that is added after the abort is never called.
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      amqp.broken.catch(reject);
      const started = async (): Promise<void> => start({ amqp, channel, fail: reject });
      started().catch(reject);
    });
    await finish?.(channel);
  } catch (error) {
    throw amqp.explain(error);
  } finally {
    await cleanUp?.();
    await amqp.close();
  }
}
