import type { Found } from './find-first.ts';
import type { FoundRabbitmq } from './rabbitmq-find.ts';
import type { Progress } from './server.ts';

export interface StackOptions {
  /** Holds data, logs and the lock file, e.g. `.stack/dev`. */
  directory: string;
  /** Where servers that had to be downloaded or built are kept for all stacks, e.g. `.stack/bin`. */
  toolsDirectory: string;
  /** The first of its ports on 127.0.0.1 (`defaultPortBase`), or `free` for any that are free. */
  portBase?: number | 'free' | undefined;
  /** A PostgreSQL of the user's own, which is then only checked. */
  databaseUrl?: string | undefined;
  /** A RabbitMQ of the user's own, which is then only checked. */
  amqpUrl?: string | undefined;
  managementUrl?: string | undefined;
  /** The broker to run; the first that `findRabbitmq` finds by default. */
  broker?: Found<FoundRabbitmq> | undefined;
  /** False when the caller has a Temporal server already. */
  temporal?: boolean;
  /** True when the data may be lost in a crash: servers then keep it in memory or do not wait for the disk, which takes less time. */
  temporaryData?: boolean;
  onProgress?: Progress;
}

export interface StackServers {
  databaseUrl: string;
  amqpUrl: string;
  managementUrl?: string | undefined;
  temporal?: { address: string; namespace: string; uiUrl: string };
  /** Of the servers that the stack runs: PostgreSQL's in the form of libpq's password file, RabbitMQ's alone. */
  passwordFiles?: { database?: string | undefined; amqp?: string | undefined };
}
