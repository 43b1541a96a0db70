import type { Logger } from 'pino';
import type { FatalError } from '../../supervision/errors.ts';
import type { Configuration } from '../../configuration/configuration.ts';

export interface ServiceOptions {
  configuration: Configuration;
  logger: Logger;
  /** A person has to act: the process is to end. */
  onFatal: (error: FatalError) => void;
}

export interface Service {
  /** Where its health is served. */
  healthPort: number;
  /** Resolves once every part was ready at the same time. */
  ready(): Promise<void>;
  /** Stops taking work, finishes what is in hand, closes its connections. */
  stop(): Promise<void>;
}

export interface HttpService extends Service {
  /** Where it answers, e.g. `http://127.0.0.1:27440`. */
  url: string;
}
